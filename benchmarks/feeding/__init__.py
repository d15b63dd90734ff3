"""What feeds a trainer how fast: others' loaders, image files, packs, the bare gather.

* ``__main__.py``  the command, the measuring and the table      * ``rivals.py``  others' loaders
"""
