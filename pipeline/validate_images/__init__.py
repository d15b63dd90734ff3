"""Stage ``validate_images``: a verdict for every image, ``ok``, ``convert`` or ``reject``.

* ``__main__.py``        the command line      * ``stage.py``  STAGE, what the runner calls
* ``table.py``           what to check, the check, ``report/images.jsonl``
* ``entry.py``           one line of it
* ``own_folder.py``      any folder of the user's, without a data root
* ``image_splits.py``    finds images that are in two splits
* ``remake_rejects.py``  makes ``rejects.jsonl`` again from the table
"""
