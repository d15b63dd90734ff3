"""Feature maps → logits and offsets → loss or detections.

* ``variants.py``        the ONE table of names (no torch): a row = backbone, neck, heads, priors, coder, scores, loss
* ``prior_profiles.py``  the priors of each profile as data (no torch)
* ``build.py``           row → modules, initialisation included
* ``priors.py``, ``coding.py``, ``matching.py``   the boxes offsets are relative to; offsets ↔ boxes; who learns what
* ``heads.py``, ``model.py``                      what is said of a cell; the detector, composed
* ``loss.py``, ``postprocess.py``                 the two readers of the same raw outputs
* ``coverage.py``        how well priors fit a dataset's boxes, by object size
"""
