"""Room 0: what a file on disk is and how it is written safely. Standard library and numpy only.

supported_python.py  whether this Python is new enough for the rest
imports.py        what cannot be imported: what, why, fix
files.py          atomic publishing, digests, the full disk: every file of the project is written through it
targets.py        what may be where something is published
records.py        strict JSON in, typed records out: what others wrote is data and is checked
pickled.py        pickles read as data, nothing imported or called
file_kinds.py     what a wrong file is, by its first bytes
log.py            JSON lines that survive a kill: journals, rejects, metrics
writable.py       whether a folder takes what is going to be written, asked before the work
command_line.py   what every command shares at its door: mistakes in two lines, numbers with bounds
holder.py         who holds a lock, for messages
early.py          the first thing that a program does: what ends it early is a line, no traceback
output.py         stdout and stderr that no letter, reader or full disk can break
advice.py         commands that are printed, every word quoted; names inside sentences
addresses.py      addresses without passwords and tokens, for all that is shown or stored
system_errors.py  what the operating system refused: what, why, fix
"""
