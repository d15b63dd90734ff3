"""``python -m tools.import_weights``: weights of pytorch-ssd and torchvision → a run folder.

* ``__main__.py``    the command
* ``imported.py``    checks a file against its net; finds the classes of its heads
* ``run_folder.py``  publishes the checkpoint and the files beside it together
"""
