"""``python -m benchmarks.annotations``: time and memory of remap and index at COCO's size.

* ``__main__.py``   the measurement
* ``synthetic.py``  annotation files of COCO's size and shape
"""
