"""Training images out of a pack (``vision.images.packs``) in place of the image files.

* ``detection.py``  ``PackedDetection``: the data set, and what its images are made of
* ``choice.py``     which pack a run is fed from: ``--feed``
* ``threads.py``    their loader: threads, not processes
"""
