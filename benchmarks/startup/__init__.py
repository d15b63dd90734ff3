"""``python -m benchmarks.startup``: from the command to the first step on an index of COCO's size, and what a worker adds.

* ``__main__.py``   the measurement
* ``coco_sized.py`` a data root of COCO's size with one image file
* ``probe.py``      what runs in processes of its own: the trainer up to its first step, and a loader with its workers
"""
