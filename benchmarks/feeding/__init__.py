"""What feeds a trainer how fast: others' loaders, image files, packs, the bare gather.

* ``__main__.py``  the command, the measuring and the tables
* ``rivals.py``    others' samples
* ``loaders.py``   whole loaders with all cores
"""
