"""``python -m benchmarks.train_step``: a whole training step, by the ways there are to make it faster, beside the ancestors'.

* ``__main__.py``   the measurement       * ``ways.py``  steps of the trainer, each with its options
* ``ancestor.py``   a step as the ancestors make it       * ``worker.py``  a way in a process of its own, which steps when it is told
"""
