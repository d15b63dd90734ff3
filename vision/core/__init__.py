"""Types that every room uses.

* ``sample.py``  ``Sample``, ``Batch``, ``Detections``, ``InputSpec``: shapes, units, ranges
* ``boxes.py``   geometry of boxes: IoU, conversions, clipping
"""
