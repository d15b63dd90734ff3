"""Backbones, one file a family: ``forward(images)`` gives the list of source maps, finest first.

* ``mobilenet_v2.py``  MobileNetV2 at any width
"""
