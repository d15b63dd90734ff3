"""Batches + model → state → checkpoint. The files of this folder import none of its rooms.

* ``config.py``       every option of a run, once (no torch)      * ``options.py``  a dataclass as command line, YAML and JSON
* ``combinations.py`` options that exclude or need each other     * ``machine.py``  device, precision, threads
* ``model.py``        freezing, device, wrappers, moving average  * ``optim.py``    optimiser and learning rate
* ``state.py``        everything that the loop changes            * ``distributed.py``  processes that train together
* ``interrupt.py``    what happens on Ctrl-C and SIGTERM
* ``checkpoints/`` state ↔ file, and the record    * ``runs/`` a run across its sessions
* ``evaluation/`` images → detections → 12 numbers    * ``training/`` the loop and its surroundings
* ``panels/`` what is drawn of it
"""
