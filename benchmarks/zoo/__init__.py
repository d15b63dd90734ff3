"""Every row of the table of nets, measured: does it learn, and what does each part of it cost.

* ``fit.py``      trains on eight drawn images until the net has memorised them
* ``speed.py``    milliseconds of the net, of boxes and scores, of non-maximum suppression, and of all of it
* ``__main__.py``  row by row, resumable; the tables
"""
