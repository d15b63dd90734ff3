"""``python -m tools.evaluate``: COCO's 12 numbers of a checkpoint, and VOC's average precision.

* ``__main__.py``     the command
* ``evaluations.py``  where results go, so that none replaces another; shows several side by side
"""
