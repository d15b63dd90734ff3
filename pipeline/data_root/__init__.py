"""What a data root holds, and what we noted about it. Imports no other room of the pipeline.

* ``receipts.py``       what a stage read, made and counted; written last (``.pipeline/<stage>.json``)
* ``claims.py``         which paths a stage has begun to make
* ``brought.py``        archives and annotation files that download and extract put here
* ``on_disk.py``        a folder with files of the release, only read: what is where in it
* ``fingerprints.py``   what is on disk now against what a receipt recorded
* ``manifests.py``      a folder with many files as one input or output
* ``saved_options.py``  what was chosen for this root the last time
* ``lock.py``           one pipeline a root at a time
"""
