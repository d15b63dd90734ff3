"""Decide → act → publish → receipt, for every stage. Imports no stage.

* ``run.py``           which stages must run and why; runs them; writes receipts
* ``inputs.py``        what a stage reads may not change while it works
* ``publish.py``       gives what a stage has staged its names in the root
* ``ownership.py``     whose the files are that stand under a stage's outputs
* ``own_data.py``      roots whose images and annotations are the user's: nothing is fetched there
* ``unpacked.py``      images and annotations of another folder, unpacked (--have), become such a root
* ``owners_files.py``  files of the user's beside those of a stage
* ``leftovers.py``     what a killed run leaves, and how it is removed
* ``clean.py``         removes what stages made, listed first
"""
