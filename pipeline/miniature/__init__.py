"""The embedded release: a small rendered COCO in the official layout, the same bytes for the same seed.

* ``__main__.py``  the command line      * ``render.py``  zips and their table
* ``scene.py``     one rendered image    * ``shapes.py``  its objects      * ``coco_categories.py``  COCO's 80 categories
"""
