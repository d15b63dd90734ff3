"""Tensors → feature maps.

* ``blocks.py``      the layers that nets of this family are made of, and how channels scale with a width
* ``initialise.py``  the first weights of a net that is trained from scratch
* ``input_channels.py``  the first convolution for grey and for RGB
* ``backbone_rows.py``  the backbones as data (no torch)
* ``backbones/``     one file a family: ``forward(images)`` gives the list of source maps, finest first
* ``necks/``         one file a neck: ``forward(maps)`` gives the list of maps that the heads look at
* ``weights/``       files with weights, and what of them fits a net

Backbones and necks tell ``out_channels``, one number a map, so that what follows is built from what is there.
"""
