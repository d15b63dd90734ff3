"""Files on disk → ``Sample``, and samples in a reproducible order → ``Batch``.

* ``contract.py``  what every data set offers, and the errors that name the image
* ``coco.py``      COCO as the data stages leave it: flat arrays mapped into memory, images decoded when asked for
* ``packed/``    the same from a pack, and which pack feeds a run
* ``splits.py``    data roots → train and val data that fit each other      * ``merged.py``  several sets as one
* ``learned.py``   finds images that are also in the training data, by their bytes
* ``root_advice.py``  which stage of the pipeline makes a missing file
* ``sampling.py``  which images make which batch: a pure function of (seed, epoch, step, rank)
* ``loading.py``   samples → batches: padding, transport, worker processes
* ``workers.py``   what a worker process may do to the run: its signals, its time limit, how its death is reported

Order and loading are separate, so a resume needs three numbers and no loader state.
"""
