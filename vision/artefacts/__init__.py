"""Room 0: what a file on disk is and how it is written safely. Standard library and numpy only.

* ``data_layout.py`` where every file of a data root is; arrays.json, labels.txt
* ``arrays/``        the flat arrays of a split, read
* ``files.py``       atomic publishing, digests, the full disk: every file of the project is written through it
* ``targets.py``     what may stand where something is published
* ``writable.py``    whether a folder takes what is going to be written, asked before the work
* ``records.py``     strict JSON in, typed records out
* ``log.py``         JSON lines that survive a kill: journals, rejects, metrics
* ``pickled.py``     pickles read as data, nothing imported or called
* ``file_kinds.py``  what a wrong file is, by its first bytes
* ``holder.py``      the one lock, and who holds it
"""
