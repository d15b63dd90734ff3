"""Detections and true boxes → what is right, what is wrong, and what each kind of mistake costs. NumPy, no torch.

* ``scene.py``       both as flat arrays, and the pairs of them that overlap
* ``matching.py``    which detection takes which true box, as COCO does it
* ``precision.py``   average precision and curves from that, also of images drawn again (bootstrap)
* ``error_types.py`` classification, localisation, both, duplicate, background, missed: TIDE's, with the AP each costs
* ``thresholds.py``  F1 over the score threshold, calibration of the scores
* ``confusion.py``   which class is taken for which, with background
* ``groups.py``      AP by size, shape, crowding, distance to the border; the worst images
* ``analyse.py``     all of it
"""
