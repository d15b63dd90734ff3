"""Backbones, one file a family: ``forward(images)`` gives the list of source maps, finest first.

* ``tapped.py``        layers in order, of which some give their map to the neck
* ``mobilenet_v2.py``  MobileNetV2 at any width
"""
