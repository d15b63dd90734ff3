"""Necks, one file each: ``forward(maps)`` gives the list of maps for the heads.

* ``extra_layers.py``  SSD's extra layers down to 1 × 1
* ``rfb.py``           receptive field blocks
* ``fssd.py``          maps fused at the finest size, a pyramid from there
* ``yolo.py``          YOLOv2's pass-through, YOLOv3's top-down path
* ``pyramids.py``      feature pyramids: FPN and BiFPN, in a light form
"""
