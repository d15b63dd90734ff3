"""Tensors → feature maps.

* ``blocks.py``        the layers that nets of this family are made of, and how channels scale with a width
* ``backbones/``       one file a family: ``forward(images)`` gives the list of source maps, finest first
* ``necks/``           one file a neck: ``forward(maps)`` gives the list of maps that the heads look at
* ``initialise.py``    the first weights of a net that is trained from scratch
* ``weight_file.py``   the one reader of files with weights, which runs nothing; ``storages.py`` its tensors
* ``weights.py``       state dicts: copying what fits, and a report; ``signatures.py`` says whose they look like
* ``pretrained.py``    ImageNet weights into a backbone, a detector's weights into one for the same or other classes

Backbones and necks tell ``out_channels``, one number a map, so that what follows is built from what is there.
"""
