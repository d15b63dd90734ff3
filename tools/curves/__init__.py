"""``python -m tools.curves``: loss and mAP of runs in the terminal.

* ``__main__.py``   the command
* ``dots.py``       lines drawn with dots of Braille letters, two across and four down in each
"""
