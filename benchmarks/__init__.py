"""Measurements: each program prints a table and writes it to ``results/``.

* ``stages.py``, ``noop.py``, ``download.py``, ``annotations/``   the data stages
* ``augmentation.py``, ``feeding/``, ``train_step/``, ``checkpoint.py``       training
* ``evaluate/``, ``startup/``                                   after the net, and before the first step
* ``gpu/`` (``gpu.sh``)                                        the whole trainer on a GPU, in one command
* ``memory/``, ``laptop/``                                      peaks: predicted and measured, and within 8 GB
* ``overfit.py``, ``feed_accuracy.py``, ``deliberate_faults/``     does it learn, from packs as well, and do the tests notice
* ``zoo/``                                                     every net: does it learn, and what each part of it costs
* ``images.py``, ``results.py``                                 the images measured with; where results go
"""

from vision.messages import supported_python as supported_python
