"""The one stated conversion to 8-bit RGB.

========================  ==========================================================================
stored                    becomes
========================  ==========================================================================
grey                      R = G = B = grey
16 bits a sample          the high byte (value >> 8)
1 bit (bool)              0 or 255
alpha                     dropped; the stored colours stay as they are
CMYK                      R = (255 − C)(255 − K) / 255, rounded; so G of M and B of Y
CMYK as Adobe stores it   the same after 255 − value, that is R = C·K / 255
palette                   the palette's colours (looked up before ``to_rgb8``)
EXIF orientation          not applied but where ``decode_rgb`` is asked for the upright frame
animation, pages          the first one
========================  ==========================================================================
"""

from __future__ import annotations

import numpy as np

from vision.images.formats import BadImage

RGB_CHANNELS = {1: "grey", 2: "grey", 3: "rgb", 4: "rgb"}
"""What an array is when nobody says: 2 and 4 channels end with alpha."""


def to_rgb8(array: np.ndarray, space: str | None = None, where: str = "") -> np.ndarray:
    """(H, W) or (H, W, C) bool, uint8 or uint16 → (H, W, 3) uint8, RGB, contiguous.

    ``space``: ``grey``, ``rgb``, ``cmyk`` or ``cmyk_inverted``; None tells it from C (1 and 2 grey, 3 and 4 RGB,
    where the last of 2 and 4 is alpha and dropped).

    :raises BadImage: ``unsupported_depth`` for other dtypes, ``unsupported_channels`` for other shapes
    """
    pixels = _to_uint8(array, where)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in RGB_CHANNELS:
        raise BadImage(f"unsupported_channels: an array of shape {array.shape}", where)
    space = space or RGB_CHANNELS[pixels.shape[2]]
    if space in ("cmyk", "cmyk_inverted"):
        return _from_cmyk(pixels, inverted=space == "cmyk_inverted", where=where)
    if space == "grey":
        return np.repeat(pixels[:, :, :1], 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, :3])


def _to_uint8(array: np.ndarray, where: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return (array >> 8).astype(np.uint8)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    raise BadImage(f"unsupported_depth: samples of type {array.dtype} have no stated range", where)


def _from_cmyk(pixels: np.ndarray, inverted: bool, where: str) -> np.ndarray:
    if pixels.shape[2] != 4:
        raise BadImage(f"unsupported_channels: CMYK with {pixels.shape[2]} channels", where)
    rgb = np.empty((*pixels.shape[:2], 3), np.uint8)
    for row in range(0, pixels.shape[0], 64):  # strips keep the 16-bit products small
        strip = pixels[row : row + 64]
        light = (strip if inverted else 255 - strip).astype(np.uint16)
        product = light[:, :, :3] * light[:, :, 3:]
        rgb[row : row + 64] = (product + 127) // 255
    return rgb
