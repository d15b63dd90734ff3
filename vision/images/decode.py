"""Bytes → (H, W, 3) uint8 RGB for everybody, and the strict check that says ok, convert or reject.

An image that ``check_image`` does not reject is one that ``decode_rgb`` decodes, to the size that was checked.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from vision.images import jpeg, orientation, raster, turbo
from vision.images.convert import to_rgb8
from vision.images.formats import MAX_BYTES, MAX_PIXELS, STORED, BadImage, format_of, suffix_fits
from vision.images.frame import choose_frame

__all__ = [
    "BadImage", "Header", "ImageVerdict", "check_image", "decode_rgb", "image_size", "orientation_of", "read_header",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ImageVerdict:
    """What the check found.

    * verdict: ``ok`` (plain 8-bit RGB), ``convert`` (readable, becomes 8-bit RGB as ``convert`` states),
      ``reject``
    * reason: None for ``ok``; otherwise ``code`` or ``code: what was found``, several joined by ``; ``
    * width, height: px of the frame that is to be decoded, None where not even the header could be read
    * orientation: EXIF's, where it is to be applied (``decode_rgb(…, upright=True)``); 1: the frame as stored
    """

    verdict: str
    reason: str | None
    width: int | None
    height: int | None
    orientation: int = STORED


@dataclass(frozen=True, slots=True)
class Header:
    """What is known before anything is decoded; size in px as stored, ``frame`` for JPEGs alone."""

    image_format: str
    width: int
    height: int
    orientation: int
    oddities: tuple[str, ...]
    frame: jpeg.Frame | None


def decode_rgb(data: bytes, where: str = "", upright: bool = False) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a JPEG, PNG, GIF, BMP, TIFF, WebP or PNM file's bytes.

    Conversion as stated in ``vision.images.convert``.

    :param where: names the image in errors
    :param upright: apply the EXIF orientation, as viewers do; without it the frame is the stored one
    :raises BadImage: with ``.reason``; never for a lack of memory, which stays a MemoryError
    """
    try:
        header = read_header(data)
        if header.frame is not None:
            pixels = turbo.decode(data, header.frame)
        else:
            pixels = to_rgb8(*raster.decode(data, header.image_format))
    except BadImage as error:
        raise BadImage(error.reason, where) from None
    return orientation.upright(pixels, header.orientation) if upright else pixels


def orientation_of(data: bytes, where: str = "") -> int:
    """EXIF's orientation 1..8 out of a JPEG, PNG, TIFF or WebP; 1 where there is none or it is broken.

    :raises BadImage: when it is no image, or has too many pixels
    """
    try:
        return read_header(data).orientation
    except BadImage as error:
        raise BadImage(error.reason, where) from None


def image_size(data: bytes, where: str = "") -> tuple[int, int]:
    """(height, width) in px of the stored frame, from the header alone.

    :raises BadImage: when it is no image, or has too many pixels
    """
    try:
        header = read_header(data)
    except BadImage as error:
        raise BadImage(error.reason, where) from None
    return header.height, header.width


def check_image(
    data: bytes,
    where: str,
    expected_hw: tuple[int, int] | None = None,
    thorough: bool = False,
    header: Header | None = None,
    exif: str = "stored",
) -> ImageVerdict:
    """Decode strictly and compare with what is expected.

    :param where: the file's name; its suffix is compared with the content
    :param expected_hw: height and width in px that the annotations give, or None
    :param thorough: scikit-image has to read JPEGs too (it reads every other format anyway)
    :param header: that of ``data``, where it has been read before
    :param exif: ``stored`` or ``apply``, the frame that boxes are in; ``vision.images.frame`` has the rules
    """
    width = height = None
    applied = STORED
    try:
        header = header or read_header(data)
        width, height = header.width, header.height
        applied, turned = choose_frame((height, width), header.orientation, expected_hw, exif)
        oddities = [
            *_suffix_oddity(where, header),
            *header.oddities,
            *filter(None, [turned]),
            *_decode_strictly(data, header, thorough),
        ]
    except BadImage as error:
        return ImageVerdict("reject", error.reason, width, height)
    if orientation.is_turned(applied):
        width, height = height, width
    reason = "; ".join(oddities)
    return ImageVerdict("convert" if reason else "ok", reason or None, width, height, applied)


def read_header(data: bytes) -> Header:
    """Format, size and oddities by the header alone.

    :raises BadImage: when it is no image, or means more than may be decoded
    """
    if len(data) > MAX_BYTES:
        raise BadImage(f"too_many_bytes: {len(data):,}, at most {MAX_BYTES:,}")
    image_format = format_of(data)
    if image_format == "JPEG":
        frame = jpeg.read_frame(data)
        oddities = {1: ("grey",), 4: ("cmyk",)}.get(len(frame.components), ())
        header = Header(image_format, frame.width, frame.height, frame.orientation, oddities, frame)
    else:
        found = raster.read_header(data, image_format)
        header = Header(image_format, found.width, found.height, found.orientation, found.oddities, None)
    if header.width * header.height > MAX_PIXELS:
        raise BadImage(f"too_many_pixels: {header.width}×{header.height}, at most {MAX_PIXELS:,}")
    return header


def _suffix_oddity(where: str, header: Header) -> list[str]:
    return [] if suffix_fits(where, header.image_format) else [f"wrong_suffix: {header.image_format} data"]


def _decode_strictly(data: bytes, header: Header, thorough: bool) -> list[str]:
    """Oddities that only show in decoding."""
    if header.frame is None:
        to_rgb8(*raster.decode(data, header.image_format))
        _require_second_reader(data, header)
        return []
    warning = turbo.strict_pass(data, header.frame)
    if thorough or warning:
        _require_second_reader(data, header)
    return [f"odd_jpeg: {warning}"] if warning else []


def _require_second_reader(data: bytes, header: Header) -> None:
    """scikit-image has to read it too, to the same size.

    :raises BadImage: ``unreadable`` or ``size_mismatch``
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape = _skimage_imread()(io.BytesIO(data)).shape
    except raster.DECODER_ERRORS as error:
        raise BadImage(
            f"unreadable: scikit-image says {type(error).__name__} {str(error).split(chr(10))[0][:160]}"
        ) from None
    shapes = [shape[:2], shape[1:3]]
    if orientation.is_turned(header.orientation):  # some of its readers turn the image
        shapes += [of[::-1] for of in shapes]
    if (header.height, header.width) not in shapes:
        raise BadImage(
            f"size_mismatch: scikit-image reads {shape}, the header says {header.width}×{header.height}"
        )


@cache
def _skimage_imread() -> Any:
    """Imported when first needed: it costs half a second, and a folder of sound JPEGs never needs it."""
    import skimage.io

    return skimage.io.imread
