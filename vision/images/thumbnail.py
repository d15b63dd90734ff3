"""What can be seen of an image that may be bad, for people."""

from __future__ import annotations

import io

import numpy as np
import simplejpeg
from PIL import Image, ImageFile

from vision.images.decode import image_size
from vision.images.formats import BadImage
from vision.images.raster import DECODER_ERRORS

THUMBNAIL_WH = (176, 132)
"""At most, on a contact sheet."""


def thumbnail(data: bytes, most_wh: tuple[int, int] = THUMBNAIL_WH) -> np.ndarray | None:
    """(H, W, 3) uint8 of what a lenient decoder sees of an image that may be bad, at most ``most_wh`` px; None for nothing.

    Not for training: it is grey where data are lost. For a process that makes thumbnails and nothing else.
    """
    try:
        image_size(data)  # refuses what is too large
        return _lenient(data, most_wh)
    except (BadImage, *DECODER_ERRORS):
        return None


def _lenient(data: bytes, most_wh: tuple[int, int]) -> np.ndarray:
    if data.startswith(b"\xff\xd8"):
        width, height = most_wh
        pixels = simplejpeg.decode_jpeg(data, "RGB", min_height=height, min_width=width, strict=False)
        image = Image.fromarray(pixels)
    else:
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        image = Image.open(io.BytesIO(data)).convert("RGB")
    image.thumbnail(most_wh)
    return np.asarray(image)
