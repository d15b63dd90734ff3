"""JPEG pixels by libjpeg-turbo, strictly: a warning of the decoder is a fault of the file."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import simplejpeg

from vision.images import jpeg
from vision.images.convert import to_rgb8
from vision.images.formats import BadImage
from vision.messages.terminal import counted

_EIGHTH = 8
"""The check decodes at 1/8 scale: every bit goes through the strict entropy decoder, without the inverse DCT."""

_HARMLESS = ("Warning: unknown JFIF revision", "Invalid SOS parameters")
"""What libjpeg-turbo warns of although every pixel is defined; decoded again with that put right in a copy."""


def strict_pass(data: bytes, frame: jpeg.Frame) -> str | None:
    """The whole entropy decode of a JPEG; the text of a warning that does no harm, or None.

    :raises BadImage: ``truncated``, ``early_eoi``, ``corrupt``, ``zero_run``, ``lying_header``, ``unsupported_…``
    :raises MemoryError: when there is not enough; it says nothing about the image
    """
    space = "CMYK" if len(frame.components) == 4 else "GRAY"
    expected = -(-frame.height // _EIGHTH), -(-frame.width // _EIGHTH)
    scratch = _scratch(expected[0] * expected[1] * 4)

    def eighth(of: bytes) -> np.ndarray:
        return simplejpeg.decode_jpeg(
            of, space, min_height=1, min_width=1, min_factor=_EIGHTH, buffer=scratch
        )

    pixels, warning = _decoded(eighth, data, frame)
    if pixels.shape[:2] != expected:
        raise BadImage(f"lying_header: decodes to {pixels.shape[1]}×{pixels.shape[0]} px at 1/{_EIGHTH}")
    return warning


def decode(data: bytes, frame: jpeg.Frame) -> np.ndarray:
    """(H, W, 3) uint8 RGB; raises as ``strict_pass`` does."""
    space = "CMYK" if len(frame.components) == 4 else "RGB"
    pixels, _ = _decoded(lambda of: simplejpeg.decode_jpeg(of, space), data, frame)
    if pixels.shape[:2] != (frame.height, frame.width):
        raise BadImage(f"lying_header: decodes to {pixels.shape[1]}×{pixels.shape[0]} px")
    if space == "CMYK":
        return to_rgb8(pixels, "cmyk_inverted" if frame.adobe else "cmyk")
    return pixels


def _decoded(
    decode_once: Callable[[bytes], np.ndarray], data: bytes, frame: jpeg.Frame
) -> tuple[np.ndarray, str | None]:
    _require_supported(frame)
    if frame.progressive or len(frame.components) > data[frame.first_scan + 4]:
        jpeg.require_all_scans(data, frame)
    jpeg.refuse_zero_run(data, frame)
    try:
        return decode_once(data), None
    except ValueError as error:
        warning = " ".join(str(error).split())
    if not warning.startswith(_HARMLESS):
        raise _meaning(warning)
    try:
        return decode_once(jpeg.with_usual_header(data, frame)), warning
    except ValueError as error:
        raise _meaning(" ".join(str(error).split())) from None


def _require_supported(frame: jpeg.Frame) -> None:
    if frame.bits != 8:
        raise BadImage(f"unsupported_depth: a JPEG of {frame.bits} bits a sample")
    if len(frame.components) not in (1, 3, 4):
        raise BadImage(f"unsupported_channels: a JPEG of {counted(len(frame.components), 'component')}")


def _meaning(warning: str) -> Exception:
    if "memory" in warning.lower():
        return MemoryError(warning)
    if warning.startswith(("Premature end", "Corrupt JPEG data: premature end")):
        return BadImage(f"truncated: {warning}")
    return BadImage(f"corrupt: {warning}")


def _scratch(size: int) -> np.ndarray:
    """Memory that is used again for every image of common size; fresh pages cost more than the decode saves."""
    return _small_scratch() if size <= 2**20 else np.empty(size, np.uint8)


@cache
def _small_scratch() -> np.ndarray:
    return np.empty(2**20, np.uint8)
