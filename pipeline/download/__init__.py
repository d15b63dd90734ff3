"""Stage ``download``: archives of a release into ``archives/``, each proven by size and SHA-256.

* ``__main__.py``  the command line      * ``stage.py``  STAGE, what the runner calls
* ``own_file.py``  one file of the user's by URL and digest, without a data root
* ``on_disk.py``   archives that are on this disk already (--have): proven and taken over
* ``logins.py``    a remembered address has lost its secret: where it is taken from again
"""
