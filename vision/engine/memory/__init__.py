"""How much memory a step takes, how much there is, and what is done so that it fits.

* ``free.py``  what is free on this machine, what this process holds, and how it gives freed memory back
* ``peak.py``  what a step holds at most for an image, by running one of two images
* ``fit.py``   the batch and the blocks that are computed again, so that a step fits (``--memory``)
"""
