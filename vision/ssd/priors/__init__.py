"""Priors: the boxes that the offsets of an SSD are relative to.

* ``profiles.py``  the priors of each profile as data (no torch)
* ``generate.py``  profile and map sizes → (P, 4) boxes
* ``fit.py``       shapes fitted to a data set (numpy)
* ``written.py``   fitted shapes as the text that a run keeps, and as a file (no torch)
"""
