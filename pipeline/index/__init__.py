"""Stage ``index``: ``index.sqlite`` for queries, ``arrays/`` for the trainer.

* ``__main__.py``  the command line      * ``stage.py``  STAGE, what the runner calls
* ``build.py``     makes both from the remapped files      * ``query.py``   queries ``index.sqlite``
* ``columns.py``   one remapped file as columns of numbers
* ``tables.py``    the SQLite tables      * ``arrays.py``  the flat arrays      * ``schema.py``  names and versions
"""
