"""``python -m tools.import_weights``: weights of pytorch-ssd and torchvision → a run folder.

* ``__main__.py``    the command
* ``imported.py``    the file against the net it is for; which classes its heads speak of
* ``run_folder.py``  the checkpoint and the files beside it, all at once
"""
