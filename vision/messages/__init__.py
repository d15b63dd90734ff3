"""Room 0: what a person reads. Standard library only.

* ``early.py``             runs first in every program: turns early failures into one line instead of a traceback
* ``supported_python.py``  whether this Python is new enough      * ``imports.py``  packages that are missing
* ``command_line.py``      mistakes in two lines, options in both spellings, numbers with bounds
* ``output.py``            stdout and stderr that survive any character, a closed pipe and a full disk
* ``terminal.py``          width and colours of a stream; words for counts and times
* ``advice.py``            printed commands, every word quoted
* ``addresses.py``         addresses without passwords and tokens
* ``system_errors.py``     what the operating system refused: what, why, fix
"""
