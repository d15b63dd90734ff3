"""Images → detections → COCO's 12 numbers, and VOC's average precision.

* ``predict.py``       runs a detector over a loader
* ``results.py``       detections as COCO's results file, published ids put back
* ``kept.py``          detections of a validation beside the run, for its report
* ``scoring.py``       the 12 numbers, matched by a thread while detections come in
* ``ground_truth.py``  a data set in pycocotools' form
* ``coco_map.py``      the 12 numbers and a table per class
* ``backends.py``      the two libraries that compute them
* ``voc_ap.py``        average precision at IoU 0.5 over 11 points of recall and over all, by class
"""
