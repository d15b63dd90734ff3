"""What is in a data root: numbers, suspicions, duplicates; a command beside the stages, which makes nothing in the root.

* ``__main__.py``   the command line      * ``splits.py``  the arrays of each split
* ``numbers.py``    counts, sizes, quantiles      * ``suspicions.py``  boxes that are probably slips
* ``duplicates.py`` images that are there twice, out of the looks of ``looks.py``, by ``perceptual_hash.py``
* ``table.py``      lines for a terminal      * ``page.py``   images with their boxes, one HTML file
"""
