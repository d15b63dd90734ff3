"""Imports data and weights of other trainers once and finds them again; never changes the originals.

* ``data.py``     a folder in another layout → a data root beside it
* ``weights.py``  a file with weights of another trainer → a run folder beside it
"""
