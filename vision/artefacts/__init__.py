"""Room 0: what a file on disk is and how it is written safely. Standard library and numpy only.

* ``data_layout.py`` where every file of a data root is; arrays.json, labels.txt
* ``arrays/``        the flat arrays of a split, read
* ``files.py``       atomic publishing, digests, the full disk: every file of the project is written through it
* ``targets.py``     what a new file may replace
* ``writable.py``    checks before the work that a folder can take the output
* ``records.py``     strict JSON in, typed records out
* ``log.py``         JSON lines that survive a kill: journals, rejects, metrics
* ``pickled.py``     reads pickles as data; imports and calls nothing
* ``file_kinds.py``  tells by its first bytes what a wrong file is
* ``holder.py``      the one lock, and who holds it
"""
