"""The flat arrays of a split as they are read: by the trainer's data set and by the statistics.

* ``mapped.py``  ``arrays.json``, and the arrays mapped into memory once they fit each other
"""
