"""Images of some classes of Open Images, in the layout of the ancestors' downloader. No stage: it comes before an import.

* ``__main__.py``   the command line      * ``driver.py``  what happens in which order
* ``release.py``    hosts, paths and columns of what is published: the one table of them
* ``classes.py``    names → labels        * ``boxes.py``   their boxes, out of a gigabyte of CSV
* ``selection.py``  which images          * ``images.py``  fetches them
* ``statistics.py`` images and boxes by class and split
* ``made.py``       what of a root is ours
"""
