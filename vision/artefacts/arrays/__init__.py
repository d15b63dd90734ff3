"""Reads the flat arrays of a split, for the trainer's data set and the statistics.

* ``mapped.py``  ``arrays.json``, and the arrays, checked against each other and mapped into memory
"""
