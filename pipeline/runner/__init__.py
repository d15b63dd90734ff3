"""Decide → act → publish → receipt, for every stage. Imports no stage.

* ``run.py``           which stages must run and why; runs them; writes receipts
* ``inputs.py``        checks that the inputs of a stage do not change while it works
* ``publish.py``       moves staged outputs to their names in the root
* ``ownership.py``     who owns files that have the name of an output
* ``own_data.py``      roots with the user's own images and annotations: nothing is fetched there
* ``unpacked.py``      makes such a root from unpacked images and annotations of another folder (--have)
* ``owners_files.py``  files of the user's beside those of a stage
* ``leftovers.py``     removes what a killed run leaves
* ``clean.py``         lists and removes what stages made
"""
