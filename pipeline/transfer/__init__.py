"""One file over HTTP: whole or not at all, resumed where it broke.

* ``fetch.py``           several connections, mirrors, retries: where a retry is decided
* ``partial.py``         ``NAME.part`` and its journal: which bytes have arrived
* ``sync_beside.py``     an fsync that runs while writing continues
* ``running_digest.py``  the digest, computed while the bytes arrive
* ``request.py``         one GET with a range, redirects followed, the head checked
* ``small_file.py``      fetches many small files, each in memory
* ``mirrors.py``         the address of a file on a mirror; which mirror is asked next
* ``network_errors.py``  network errors in a few words
* ``progress.py``        the bar, or a line every ten seconds
"""
