"""Detections and true boxes → right and wrong detections, and the cost of each kind of mistake. NumPy, no torch.

* ``scene.py``       both as flat arrays, and the pairs of them that overlap
* ``matching.py``    matches detections to true boxes, as COCO does
* ``precision.py``   average precision and curves from the matches, also of resampled images (bootstrap)
* ``error_types.py`` classification, localisation, both, duplicate, background, missed: TIDE's, with the AP each costs
* ``thresholds.py``  F1 over the score threshold, calibration of the scores
* ``confusion.py``   which class is confused with which, with background
* ``groups.py``      AP by size, shape, crowding, distance to the border; the worst images
* ``analyse.py``     all of it
"""
