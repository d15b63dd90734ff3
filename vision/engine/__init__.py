"""Batches + model → state → checkpoint. The files of this folder import none of its rooms but ``options/``.

* ``machine.py``  device, precision, threads       * ``model.py``    freezing, device, wrappers, moving average
* ``state.py``    everything that the loop changes * ``optim.py``    optimiser and learning rate
* ``interrupt.py``  what happens on Ctrl-C and SIGTERM    * ``distributed.py``  processes that train together
* ``options/`` what a run is told
* ``checkpoints/`` state ↔ file, and the record    * ``runs/`` a run across its sessions
* ``evaluation/`` images → detections → 12 numbers    * ``training/`` the loop and its surroundings
* ``panels/`` what is drawn of it                  * ``memory/`` what a step takes, and what is done so that it fits
"""
