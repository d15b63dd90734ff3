"""Necks, one file each: ``forward(maps)`` gives the list of maps that the heads look at.

* ``extra_layers.py``  SSD's extra layers down to 1 × 1
"""
