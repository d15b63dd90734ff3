"""Bytes → 8-bit RGB: one conversion, shared by the stages, the trainer, the evaluation and the export.

* ``formats.py``  what a file is by its first bytes, whatever its name says; ``BadImage`` and its reasons
* ``jpeg.py``     a walk over the markers of a JPEG: size, colour model, orientation, scans, without decoding
* ``turbo.py``    the pixels of a JPEG by libjpeg-turbo, where every warning counts
* ``raster.py``   everything that is not a JPEG: header, strict structure (PNG, GIF, WebP, BMP) and pixels by Pillow
* ``orientation.py``  EXIF's orientation out of the bytes, and pixels turned upright or back
* ``frame.py``    which of the two frames the boxes are in, and so which one is decoded
* ``convert.py``  ``to_rgb8``: grey, CMYK, palette, 16-bit and alpha to (H, W, 3) uint8
* ``thumbnail.py``  a preview of a possibly bad image, for people
* ``decode.py``   ``decode_rgb`` for everybody, ``check_image`` for the validation: ok, convert or reject

Header and pixels are separate because a limit on pixels must hold before anything is decoded.
"""
