"""Whether this Python is new enough; every program of the project asks that before another file is compiled.

``train_ssd.py`` gets here through the package ``vision``, all others through the package that they are run from.
So that a Python as old as 3.6 can still compile what comes first (this file, the ``__init__.py`` above, the entry
script), nothing newer is in them: no future import, and no annotation that would have to be evaluated.
"""

import sys

OLDEST, NEWEST = (3, 10), (3, 13)
"""What the pinned and ranged requirements can be installed for; docs/log.md says with which of them the tests ran."""


def require_python(version=sys.version_info):  # type: ignore[no-untyped-def]
    """Ends the program with one line where ``version`` is too old. Newer than tested is for ``tools.doctor`` to say."""
    if tuple(version[:2]) < OLDEST:
        text = "STOP: Python {}.{} ({}) is too old: 3.10 to 3.13 is needed, as in .venv/bin/python, which ./setup_coco.sh makes"
        raise SystemExit(text.format(version[0], version[1], sys.executable))


require_python()
