"""Tensors → feature maps.

* ``blocks.py``      the layers of this family of nets, and how channels scale with a width
* ``initialise.py``  the first weights of a net that is trained from scratch
* ``input_channels.py``  the first convolution for grey and for RGB
* ``recompute.py``   blocks whose activations are computed again in the backward pass
* ``backbone_rows.py``  the backbones as data (no torch)
* ``backbones/``     one file per family: ``forward(images)`` gives the list of source maps, finest first
* ``necks/``         one file per neck: ``forward(maps)`` gives the list of maps for the heads
* ``weights/``       weights files, and which tensors fit a net

Backbones and necks state ``out_channels``, one number per map, so the next module is built from them.
"""
