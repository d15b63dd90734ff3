"""A foreign data set → a data root that is its owner's; the ordinary stages run on it. No stage itself: it comes before them.

* ``__main__.py``  the command line: import, then the stages   * ``driver.py``  what happens in which order; ``import_data``
* ``request.py``   what was asked for                          * ``judge.py``   what is kept, changed, dropped, and why
* ``classes.py``   one list of classes                         * ``split.py``   which image is learned, which is measured
* ``images.py``    sizes, digests, links and copies            * ``writer.py``  COCO JSON and the names of everything in the root
* ``report.py``    ``report/import.jsonl`` and the summary
"""
