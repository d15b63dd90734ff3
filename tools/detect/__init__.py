"""``python -m tools.detect``: detections drawn on images, and as JSON, from a checkpoint or an ONNX file.

* ``__main__.py``      the command
* ``given_images.py``  which images the command line names; what is passed over is counted
* ``result_names.py``  a name for each drawn image that replaces nothing
"""
