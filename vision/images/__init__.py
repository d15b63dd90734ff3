"""Bytes → 8-bit RGB: the one stated conversion, shared by the stages, the trainer, the evaluation and the export.

* ``formats.py``  what the bytes are by their first bytes, whatever the name says; ``BadImage`` and its reasons
* ``jpeg.py``     a walk over the markers of a JPEG: size, colour model, orientation, scans, without decoding
* ``turbo.py``    the pixels of a JPEG by libjpeg-turbo, where every warning counts
* ``raster.py``   everything that is no JPEG: header, strict structure (PNG, GIF, WebP, BMP) and pixels by Pillow
* ``orientation.py``  EXIF's orientation out of the bytes, and pixels turned upright or back
* ``frame.py``    which of the two frames the boxes are in, and so which one is decoded
* ``convert.py``  ``to_rgb8``: grey, CMYK, palette, 16-bit and alpha to (H, W, 3) uint8
* ``thumbnail.py``  what can be seen of an image that may be bad, for people
* ``decode.py``   ``decode_rgb`` for everybody, ``check_image`` for the validation: ok, convert or reject

Header and pixels are apart because a limit on pixels must hold before anything is decoded.
"""
