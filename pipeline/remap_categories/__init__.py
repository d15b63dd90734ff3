"""Stage ``remap_categories``: category ids → labels 1..C−1, and a list of everything left out.

* ``__main__.py``      the command line      * ``stage.py``  STAGE, what the runner calls
* ``own_file.py``      one annotation file of the user's, without a data root
* ``remap.py``         one file from end to end      * ``writer.py``   the new file, and what is left out
* ``category_map.py``  the map, and its files
* ``image_names.py``   finds two images that name one file
* ``report.py``        the counts, for the receipt and for people
* ``published_together.py``  publishes several files at once
"""
