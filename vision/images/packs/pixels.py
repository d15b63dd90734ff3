"""One image ↔ its bytes in a pack.

Raw formats are stretched to S × S, as the networks stretch to their own input: every image has the same number of bytes, and
crop, flip and resize stay one affine step from there. A JPEG keeps its aspect, since its size varies anyway: its longer side is S
px at most. Sides that shrink are averaged over areas, so nothing aliases; sides that grow are linear. Corners of pixels are points: what is
at (x, y) of an image of W × H px is at (x·S/W, y·S/H) of its raw record.

YUV 4:2:0 is JFIF's full range (ITU-R BT.601, 0..255 all used): planes Y (S, S), then U and V (S/2, S/2), each
of their pixels the mean of four, one after the other, as ffmpeg's yuvj420p.
"""

from __future__ import annotations

import cv2
import numpy as np
import simplejpeg

from vision.images.packs.record import JPEG, raw_shape

RGB_TO_YUV = np.array(
    [
        [0.299, 0.587, 0.114, 0.0],
        [-0.168735892, -0.331264108, 0.5, 128.0],
        [0.5, -0.418687589, -0.081312411, 128.0],
    ]
)  # JFIF 1.02
YUV_TO_RGB = np.linalg.inv(np.vstack([RGB_TO_YUV, [0.0, 0.0, 0.0, 1.0]]))
"""(4, 4) on a column (Y, U, V, 1): combines with a colour matrix, so that both cost one pass."""
QUALITY = 92
"""Of packed JPEGs (4:2:0): above 90, so that the second compression shows less than the first; measured in ``benchmarks/feeding/``."""


def encode(rgb: np.ndarray, pack_format: str, size: int) -> bytes:
    """(H, W, 3) uint8 RGB → the bytes of its record; the same input gives the same bytes."""
    if pack_format == JPEG:
        return _jpeg(rgb, size)
    stretched = reduced(rgb, size, size)
    if pack_format == "rgb":
        return stretched.tobytes()
    if pack_format == "grey":
        return cv2.transform(stretched, RGB_TO_YUV[:1].astype(np.float32)).tobytes()
    yuv = cv2.transform(stretched, RGB_TO_YUV.astype(np.float32))
    chroma = cv2.resize(yuv[..., 1:], (size // 2, size // 2), interpolation=cv2.INTER_AREA)
    return b"".join(plane.tobytes() for plane in (yuv[..., 0], chroma[..., 0], chroma[..., 1]))


def _jpeg(rgb: np.ndarray, size: int) -> bytes:
    height, width = rgb.shape[:2]
    scale = size / max(height, width)
    if scale < 1:
        rgb = reduced(rgb, max(1, round(height * scale)), max(1, round(width * scale)))
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), QUALITY, "RGB", "420"))


def reduced(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W, 3) → (height, width, 3): areas along a side that shrinks, linear along one that grows."""
    shrinks = height <= rgb.shape[0] and width <= rgb.shape[1]
    sides = ((width, height),) if shrinks else ((width, rgb.shape[0]), (width, height))
    for target_wh in sides:
        is_area = target_wh[0] <= rgb.shape[1] and target_wh[1] <= rgb.shape[0]
        rgb = cv2.resize(rgb, target_wh, interpolation=cv2.INTER_AREA if is_area else cv2.INTER_LINEAR)
    return rgb


def planes(record: np.ndarray, pack_format: str, size: int) -> tuple[np.ndarray, ...]:
    """The planes of a raw record (bytes,) uint8, as views: one (S, S, 3), one (S, S), or Y (S, S), U and V (S/2, S/2)."""
    if pack_format != "yuv420":
        return (record.reshape(raw_shape(pack_format, size)),)
    luma, half = size * size, size // 2
    return (record[:luma].reshape(size, size), *record[luma:].reshape(2, half, half))


def to_rgb(record: np.ndarray, pack_format: str, size: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a record (bytes,) uint8: of a raw one S × S; grey three times the same."""
    if pack_format == JPEG:
        return simplejpeg.decode_jpeg(record.data, "RGB")
    first, *chroma = planes(record, pack_format, size)
    if pack_format == "rgb":
        return first
    if pack_format == "grey":
        return np.repeat(first[..., None], 3, axis=2)
    upsampled = [cv2.resize(plane, (size, size), interpolation=cv2.INTER_LINEAR) for plane in chroma]
    return cv2.transform(cv2.merge([first, *upsampled]), YUV_TO_RGB[:3].astype(np.float32))
