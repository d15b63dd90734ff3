"""Stage ``extract``: images into ``{split}2017/``, annotations into ``annotations/``.

* ``__main__.py``          the command line      * ``stage.py``  STAGE, what the runner calls
* ``own_archive.py``       one archive of the user's, without a data root
* ``split_folder.py``      the folder of a split: made, repaired, rid of an earlier release; the user's files stay
* ``already_unpacked.py``  files that are already what the archive holds are taken over
"""
