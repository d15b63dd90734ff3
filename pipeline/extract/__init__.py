"""Stage ``extract``: images into ``{split}2017/``, annotations into ``annotations/``.

* ``__main__.py``          the command line      * ``stage.py``  STAGE, what the runner calls
* ``own_archive.py``       one archive of the user's, without a data root
* ``split_folder.py``      makes and repairs the folder of a split, removes images of an earlier release; keeps the user's files
* ``already_unpacked.py``  takes over files that already equal the archive's
"""
