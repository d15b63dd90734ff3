"""A foreign data set → a data root that is its owner's; the ordinary stages run on it. Not a stage: it comes before them.

* ``__main__.py``  the command line: import, then the stages   * ``driver.py``  the order of the work; ``import_data``
* ``request.py``   the options of an import                     * ``judge.py``   what is kept, changed, dropped, and why
* ``classes.py``   one list of classes                         * ``split.py``   which image is for training, which for validation
* ``images.py``    sizes, digests, links and copies            * ``writer.py``  writes COCO JSON; publishes everything in the root
* ``report.py``    ``report/import.jsonl`` and the summary
"""
