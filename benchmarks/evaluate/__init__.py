"""``python -m benchmarks.evaluate``: post-processing and COCO's metric, beside the ways they replace.

* ``__main__.py``   the measurement
* ``ancestor.py``   a predictor as the ancestors' is: a loop over classes, each with a loop over boxes
* ``synthetic.py``  boxes and detections of val2017's number
"""
