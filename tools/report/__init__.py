"""``python -m tools.report``: one HTML file that shows what a run learned, and where it fails.

* ``__main__.py``   the command, and the end of a training session
* ``history.py``    what a run folder tells of its training; shared with tools.compare and tools.curves, no torch
* ``measured.py``   the validation data of a run, where they are now
* ``page.py``       HTML: the frame, tables, text that is escaped
* ``charts.py``     lines, bars and heat maps as inline SVG
* ``sections.py``   the parts of the page
* ``failures.py``   the parts about mistakes: error types, confusion, groups
* ``thumbnails.py`` the worst images with what is there and what was found
"""
