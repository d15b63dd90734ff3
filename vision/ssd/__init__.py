"""Feature maps → logits and offsets → loss or detections.

* ``variants.py``    the ONE table of names (no torch): a row = backbone, neck, heads, priors, coder, scores, loss
* ``naming/``         the error for an unknown net name
* ``build.py``       row → modules, initialisation included
* ``priors/``        the boxes that offsets are relative to: profiles as data, and how they are laid out
* ``coding.py``      offsets ↔ boxes
* ``heads.py``, ``model.py``            predictions per cell; the composed detector
* ``losses/``, ``postprocess.py``       loss and detections from the same raw outputs
* ``suppression.py`` non-maximum suppression, without the import of torchvision
* ``cost.py``        parameters and multiply-adds
* ``coverage.py``    how well priors fit a dataset's boxes, by object size
"""
