"""Feature maps → logits and offsets → loss or detections.

* ``variants.py``    the ONE table of names (no torch): a row = backbone, neck, heads, priors, coder, scores, loss
* ``naming/``         what is said of a name that is no net's
* ``build.py``       row → modules, initialisation included
* ``priors/``        the boxes that offsets are relative to: profiles as data, and how they are laid out
* ``coding.py``      offsets ↔ boxes
* ``heads.py``, ``model.py``            what is said of a cell; the detector, composed
* ``losses/``, ``postprocess.py``       the two readers of the same raw outputs; which prior learns which box
* ``cost.py``        parameters and multiply-adds
* ``coverage.py``    how well priors fit a dataset's boxes, by object size
"""
