"""Packs: the images of a split decoded once, reduced to one size, in one file (``docs/artefacts.md``).

* ``record.py``  the formats, ``pack.json``, and whether a pack is of the images at hand; no pixels
* ``file.py``    a pack mapped into memory: records by index, and what tells that they are whole
* ``bus_error.py``  what a process says where a mapped file gives no bytes any more
* ``pixels.py``  one image ↔ its bytes in a pack

Written by the stage ``pack``, read by the trainer: what both have to agree on stands here.
"""
