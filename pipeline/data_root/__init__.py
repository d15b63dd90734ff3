"""What a data root holds, and our records of it. Imports no other room of the pipeline.

* ``receipts.py``       what a stage read, made and counted; written last (``.pipeline/<stage>.json``)
* ``claims.py``         which paths a stage has begun to make
* ``brought.py``        archives and annotation files that download and extract put here
* ``on_disk.py``        searches a folder for files of the release (--have); reads only
* ``fingerprints.py``   compares the files on disk with what a receipt recorded
* ``manifests.py``      a folder with many files as one input or output
* ``saved_options.py``  the choices of the last run in this root
* ``lock.py``           one pipeline per root at a time
"""
