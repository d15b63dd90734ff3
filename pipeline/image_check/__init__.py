"""The strict check of images by processes, with a journal. A library: imports no stage.

* ``check.py``        one image, as a worker process checks it      * ``check_many.py``   many: workers, journal, progress
* ``worker_pool.py``  processes that may crash or be killed without blaming an image      * ``fork_server.py``  where they are forked from
* ``safe_read.py``    reads files of an untrusted folder
* ``journal.py``      the verdicts that a restart reuses                * ``absence.py``      missing and unreadable images
* ``settings.py``     names, and what may change a verdict          * ``verdicts.py``     reads ``report/images.jsonl``
"""
