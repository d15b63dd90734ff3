"""State ↔ file, and the record of a run's checkpoints.

* ``checkpoint.py``     saves, loads, finds, restores
* ``schema.py``         what a checkpoint must hold, part by part
* ``fit.py``            checks its tensors against the net and optimiser that its arguments describe
* ``folder.py``         the run folder: files, ``checkpoints.json``, which is the newest good one
* ``open_detector.py``  a run or a checkpoint → a detector
* ``find_runs.py``, ``run_place.py``, ``data_place.py``   which run is meant; where a run may be; where its data are
* ``versions.py``       which libraries wrote it
"""
