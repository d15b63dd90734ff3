"""Untrusted zip archives: the whole plan is checked before the first byte is written.

* ``archive.py``        opens an archive and checks its plan: paths, sizes, kinds, bombs
* ``zip_directory.py``  the entries of the archive's directory, in little memory
* ``local_header.py``   where the bytes of a member begin, if its header agrees with the directory
* ``members.py``        a million entries as columns of numbers
* ``unpack.py``         all members by threads; verified files of a killed run are kept
* ``unpack_member.py``  one member: never more bytes than planned; gets its name only if its CRC is right
* ``fault.py``          why an archive is refused, and how to fix it
"""
