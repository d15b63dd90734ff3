"""EXIF's orientation: where a file carries it, and pixels from the stored frame to the upright one and back.

Only the tag 0x0112 of the first directory is read, by a walk over its entries: nothing else of the EXIF data is
looked at, copied or trusted. Values as in the EXIF standard (2.32, 4.6.4): 1 = as stored, 2 = mirrored, 3 = upside
down, 4 = flipped, 5 to 8 = the same with rows and columns exchanged. Missing or broken data count as 1.
Checked against ``PIL.ImageOps.exif_transpose``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import cv2
import numpy as np

from vision.images.formats import STORED

_PREFIX = b"Exif\0\0"
_BYTE_ORDERS = {b"II*\0": "<", b"II\0*": "<", b"MM\0*": ">", b"MM*\0": ">"}
_TAG = 0x0112
_WHOLE = {3: "H", 4: "I", 8: "h", 9: "i"}
"""EXIF's types of whole numbers: SHORT (the right one), LONG and their signed kinds."""

_TURNS = {
    3: cv2.ROTATE_180,
    6: cv2.ROTATE_90_CLOCKWISE,
    8: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


def read_exif(payload: bytes) -> int:
    """The orientation 1..8 in EXIF data, with or without ``Exif\\0\\0`` before them; 1 where they are broken."""
    start = 0
    while payload.startswith(_PREFIX, start):
        start += len(_PREFIX)
    order = _BYTE_ORDERS.get(payload[start : start + 4])
    if order is None or len(payload) < start + 8:
        return STORED
    found = STORED
    position = start + struct.unpack_from(f"{order}I", payload, start + 4)[0]
    if position + 2 > len(payload):
        return STORED
    (count,) = struct.unpack_from(f"{order}H", payload, position)
    last = min(count, (len(payload) - position - 2) // 12)
    for entry in range(position + 2, position + 2 + 12 * last, 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", payload, entry)
        if tag == _TAG:
            known = kind in _WHOLE and values == 1
            value = struct.unpack_from(order + _WHOLE[kind], payload, entry + 8)[0] if known else STORED
            found = value if 1 <= value <= 8 else STORED
    return found


def read_png(data: bytes, text: Iterable[tuple[object, object]] = ()) -> int:
    """That of a PNG: in its ``eXIf`` chunk, wherever it is, else in ImageMagick's text (key, value) of it."""
    position = 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"eXIf":
            return read_exif(data[position + 8 : position + 8 + length])
        position += 12 + length
    for key, value in text:
        if key == "Raw profile type exif":
            return read_exif(_from_hex(str(value)))
    return STORED


def _from_hex(text: str) -> bytes:
    """Three lines of heading, then the bytes as hexadecimal digits."""
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return b""


def is_turned(orientation: int) -> bool:
    """Whether width and height change places."""
    return orientation >= 5


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) uint8 as stored → as a viewer shows it, (W, H, C) for orientations 5 to 8; contiguous."""
    if orientation == STORED:
        return pixels
    if orientation in _TURNS:
        return np.asarray(cv2.rotate(pixels, _TURNS[orientation]))
    if orientation in (2, 4):
        return np.asarray(cv2.flip(pixels, 1 if orientation == 2 else 0))
    across = cv2.transpose(pixels)
    return np.asarray(across if orientation == 5 else cv2.flip(across, -1))


def as_stored(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """The other way, for any (H, W[, C]) array: a view of what was turned upright, as it was stored."""
    if orientation in (2, 3, 6):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 8):
        pixels = pixels[::-1]
    if orientation == 7:
        pixels = pixels[::-1, ::-1]
    return pixels.swapaxes(0, 1) if is_turned(orientation) else pixels
