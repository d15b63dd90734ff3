"""Files on disk → ``Sample``, and samples in a reproducible order → ``Batch``.

* ``contract.py``  what every data set offers, and the errors that name the image
* ``coco.py``      COCO as the data stages leave it: flat arrays mapped into memory, images decoded when asked for
* ``packed/``    the same out of a pack, and which pack a run is fed from
* ``splits.py``    data roots → train and val data, held against each other      * ``merged.py``  several sets as one
* ``learned.py``   which images of a set were learned from, too, by their bytes
* ``root_advice.py``  which stage of the pipeline helps where something is missing
* ``sampling.py``  which images make which batch: a pure function of (seed, epoch, step, rank)
* ``loading.py``   samples → batches: padding, transport, worker processes
* ``workers.py``   what a worker process may do to the run: its signals, its time limit, how its death is told

Order and loading are apart so that a resumed run needs three numbers and no state of a loader.
"""
