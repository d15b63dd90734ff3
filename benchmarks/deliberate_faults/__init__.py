"""``python -m benchmarks.deliberate_faults``: do the tests notice a wrong character?

* ``__main__.py``         puts each fault alone into a copy of the tree and runs the tests of its room
* ``fault.py``            what a fault is
* ``table.py``            all of them as data; those of the net, its images, its evaluation and its export
* ``stages.py``           those of the stages and the runner
* ``engine.py``           those of checkpoints, runs, training, data sets and published files
* ``broken_variants.py``  the demo's score when something is broken
"""
