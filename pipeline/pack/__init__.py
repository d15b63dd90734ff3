"""Stage ``pack``, made only where it is asked for: the images of a split, decoded once and reduced, in one file for the trainer.

* ``__main__.py``  the command line      * ``stage.py``  STAGE, what the runner calls
* ``build.py``     which packs are to be made, room and time that they take, the work by processes
* ``image.py``     one image → its record, as a worker process does it
* ``writer.py``    the file of a split, resumable after any kill
"""
