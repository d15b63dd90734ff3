"""Images of some classes of Open Images, in the layout of the ancestors' downloader. Not a stage: it comes before an import.

* ``__main__.py``   the command line      * ``driver.py``  the order of the work
* ``release.py``    hosts, paths and columns of the published files, in one table
* ``classes.py``    names → labels        * ``boxes.py``   finds their boxes in a gigabyte of CSV
* ``selection.py``  which images          * ``images.py``  fetches them
* ``statistics.py`` images and boxes by class and split
* ``made.py``       which files of a root this command made
"""
