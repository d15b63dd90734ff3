"""``python -m tools.detect``: detections drawn on images, and as JSON, from a checkpoint or an ONNX file.

* ``__main__.py``      the command
* ``given_images.py``  which images the command line names; counts skipped files
* ``result_names.py``  names for drawn images that replace no other file
"""
