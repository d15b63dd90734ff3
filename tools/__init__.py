"""Commands beside the stages and the trainer: ``python -m tools.<name>``.

* ``demo.py``                every step in a few minutes
* ``evaluate/``, ``detect/`` COCO's numbers of a checkpoint; detections on images
* ``report/``, ``compare/``, ``curves/``  a run as one HTML file; runs side by side; curves in the terminal
* ``export_onnx.py``         an ONNX file that detectNet loads, verified first
* ``import_weights/``        a run folder from weights trained elsewhere
* ``inspect_checkpoint.py``  what is inside a checkpoint      * ``prior_coverage.py``  which priors fit a data set
* ``foreign/``               imports data and weights of other trainers once
* ``models/``, ``fit_priors/``  the nets; prior boxes fitted to a data set
* ``doctor.py``, ``machine.py``  what this machine has, and what would stop the work
* ``setup.py``               what ``./setup_coco.sh`` prints first; ``environment.sh`` makes ``.venv``
* ``problem.py``             errors of all tools
"""

from vision.messages import supported_python as supported_python
