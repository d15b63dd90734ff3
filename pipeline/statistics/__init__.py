"""What is in a data root: numbers, suspicions, duplicates; a command beside the stages, which writes nothing into the root.

* ``__main__.py``   the command line      * ``splits.py``  the arrays of each split
* ``numbers.py``    counts, sizes, quantiles      * ``suspicions.py``  boxes that are probably mistakes
* ``duplicates.py`` finds images that appear twice, from what ``looks.py`` reads, by ``perceptual_hash.py``
* ``table.py``      lines for a terminal      * ``page.py``   images with their boxes, one HTML file
"""
