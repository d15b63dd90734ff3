"""Weights files, and which tensors fit a net.

* ``weight_file.py``  the one reader of ``.pth`` files, which runs no code      * ``storages.py``  its tensors
* ``state_dicts.py``  finds a state dict, copies what fits, reports the rest
* ``normalisation.py``  the numbers that weights expect, folded into a first layer
* ``key_maps.py``    published forms as data: their names, their input       * ``class_names.py``  lists of classes beside files
* ``signatures.py``   which net a state dict looks like      * ``published.py``  files that pytorch-ssd's commands name
* ``pretrained.py``   loads ImageNet weights into a backbone, and a detector's weights for the same or other classes
"""
