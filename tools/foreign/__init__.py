"""What people bring from other trainers, made ready once and found again: nothing of theirs is changed.

* ``data.py``     a folder in another layout → a data root beside it
* ``weights.py``  a file with weights of another trainer → a run folder beside it
"""
