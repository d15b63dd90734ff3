"""``python -m tools.compare``: what differs between runs, and which differences are more than chance.

* ``__main__.py``   the command
* ``paired.py``     differences of AP with intervals, from the same drawn images for all runs
* ``side.py``       the tables, as text and as a page
"""
