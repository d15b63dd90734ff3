"""``python -m tools.fit_priors``: prior boxes for a data set.

* ``__main__.py``  the command: objects → fitted boxes → a file for ``train_ssd.py --priors``
"""
