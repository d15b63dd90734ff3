"""Stage ``download``: archives of a release into ``archives/``, each verified by size and SHA-256.

* ``__main__.py``  the command line      * ``stage.py``  STAGE, what the runner calls
* ``own_file.py``  one file of the user's by URL and digest, without a data root
* ``on_disk.py``   archives that are on this disk already (--have): verifies and takes them over
* ``logins.py``    where the login of a remembered address comes from, since it is never stored
"""
