"""Images → detections → COCO's 12 numbers.

* ``predict.py``       a loader through a detector
* ``results.py``       detections as COCO's results file, published ids put back
* ``ground_truth.py``  a data set as pycocotools wants it
* ``coco_map.py``      the 12 numbers and a table per class
"""
