"""``python -m benchmarks.deliberate_faults``: do the tests notice a wrong character?

* ``__main__.py``         each fault alone in a copy of the tree, and the tests of its room
* ``table.py``            the faults as data
* ``broken_variants.py``  what the demo's score becomes when something is broken
"""
