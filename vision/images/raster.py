"""Everything that is no JPEG: header and pixels by Pillow, and the checks that Pillow leaves out."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile

from vision.images import orientation
from vision.images.formats import MAX_PIXELS, STORED, BadImage

DECODER_ERRORS = (
    OSError, ValueError, SyntaxError, ArithmeticError, LookupError, TypeError, AttributeError,
    EOFError, RuntimeError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
"""What decoders raise for bytes that are wrong. MemoryError is not among them: it says nothing about the bytes."""

_ZERO_TAIL = bytes(64)

_SPACES = {"1": "grey", "L": "grey", "LA": "grey", "La": "grey", "RGB": "rgb", "RGBA": "rgb", "RGBX": "rgb"}


@dataclass(frozen=True, slots=True)
class Header:
    """Size in px as stored, EXIF's orientation, and by name what makes the image other than plain 8-bit RGB."""

    width: int
    height: int
    orientation: int
    oddities: tuple[str, ...]


def read_header(data: bytes, image_format: str) -> Header:
    """What the header says; no pixel is decoded.

    :raises BadImage: ``bad_header``
    """
    with _faults("bad_header"), _open(data, image_format) as image:
        width, height = _stored_size(image)
        return Header(width, height, _orientation(image, data), tuple(_oddities(image, data)))


def decode(data: bytes, image_format: str) -> tuple[np.ndarray, str]:
    """The pixels of the first frame as an array and its colour space for ``convert.to_rgb8``.

    :raises BadImage: ``truncated``, ``corrupt``, ``unsupported_depth``
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise RuntimeError(
            "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is set: damaged images would pass as good ones"
        )
    with _faults("corrupt"):
        _require_structure(data, image_format)
        with _open(data, image_format) as image:
            turned = _turned_by_pillow(image)
            image.load()
            pixels, space = _array(image, image_format)
            return orientation.as_stored(pixels, turned), space


def _array(image: Image.Image, image_format: str) -> tuple[np.ndarray, str]:
    if image.mode in ("P", "PA", "YCbCr", "RGBa", "HSV"):
        return np.asarray(image.convert("RGB")), "rgb"
    if image.mode == "CMYK":
        return np.asarray(image), "cmyk"
    if image.mode.startswith("I;16") or (image.mode == "I" and image_format in ("PPM", "PNG")):
        return np.asarray(image).astype(np.uint16), "grey"
    if image.mode not in _SPACES:
        raise BadImage(f"unsupported_depth: Pillow's mode {image.mode} has no stated range")
    return np.asarray(image), _SPACES[image.mode]


def _open(data: bytes, image_format: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=[image_format])
    except Image.DecompressionBombError:
        raise BadImage(f"too_many_pixels: over {MAX_PIXELS:,}") from None
    except DECODER_ERRORS as error:
        raise BadImage(f"bad_header: {_one_line(error)}") from None


@contextmanager
def _faults(code: str) -> Iterator[None]:
    """Whatever a decoder raises in here is a fault of the bytes; whatever it warns of is said by the check."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except BadImage:
            raise
        except DECODER_ERRORS as error:
            text = _one_line(error)
            raise BadImage(f"{'truncated' if 'truncated' in text else code}: {text}") from None


def _one_line(error: BaseException) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "the header cannot be read"
    return " ".join(str(error).split())[:200] or type(error).__name__


def _oddities(image: Image.Image, data: bytes) -> Iterator[str]:
    bits = _bits(image, data)
    if bits > 8:
        yield f"{bits}_bit"
    if image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I"):
        yield "grey"
    if image.mode in ("P", "PA"):
        yield "palette"
    if image.mode in ("CMYK", "YCbCr", "HSV", "LAB"):
        yield image.mode.lower()
    if image.mode in ("RGBA", "LA", "La", "PA", "RGBa") or "transparency" in image.info:
        yield "alpha"
    if _has_second_frame(image):  # last, since it moves there
        yield "first_of_many_frames"


def _has_second_frame(image: Image.Image) -> bool:
    """Without counting them: there may be millions."""
    try:
        image.seek(1)
    except EOFError:
        return False
    return True


def _bits(image: Image.Image, data: bytes) -> int:
    if image.format == "PNG":
        return data[24]
    if image.format == "TIFF":
        tag = image.tag_v2.get(258, (8,))  # type: ignore[attr-defined]
        return max(tag) if isinstance(tag, tuple) else int(tag)
    return 16 if image.mode.startswith("I") else 8


def _orientation(image: Image.Image, data: bytes) -> int:
    """EXIF's; that of a TIFF is among its own tags."""
    if image.format == "TIFF":
        value = image.tag_v2.get(0x0112)  # type: ignore[attr-defined]
        return value if isinstance(value, int) and 1 <= value <= 8 else STORED
    if image.format == "PNG":
        return orientation.read_png(data, image.info.items())
    exif = image.info.get("exif") if image.format == "WEBP" else None
    return orientation.read_exif(exif) if isinstance(exif, bytes) else STORED


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """(width, height). Of a TIFF Pillow gives that of the upright frame."""
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        return tags[256], tags[257]
    return image.size


def _turned_by_pillow(image: Image.Image) -> int:
    """The orientation that loading will apply, which Pillow does to TIFFs alone (with XMP's where EXIF has none)."""
    if image.format != "TIFF":
        return STORED
    try:
        value = image.getexif().get(0x0112, STORED)
    except DECODER_ERRORS:
        return STORED
    return value if value in range(1, 9) else STORED


def _require_structure(data: bytes, image_format: str) -> None:
    """What the containers promise about themselves and Pillow does not hold them to."""
    if image_format == "PNG":
        _require_png(data)
    elif image_format == "GIF" and not data.rstrip(b"\0").endswith(b";"):
        raise BadImage("truncated: no GIF trailer")
    elif image_format == "GIF" and data.endswith(b"\0"):
        raise BadImage("zero_tail: zeros in place of the GIF trailer")
    elif image_format == "WEBP" and struct.unpack_from("<I", data, 4)[0] + 8 > len(data):
        raise BadImage("truncated: fewer bytes than the RIFF header says")
    elif image_format == "WEBP" and data.endswith(_ZERO_TAIL):  # libwebp decodes zeros to something
        raise BadImage("zero_tail: zeros in place of the last bytes")
    elif image_format == "BMP" and 0 < struct.unpack_from("<I", data, 2)[0] > len(data):
        raise BadImage("truncated: fewer bytes than the BMP header says")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view, position = memoryview(data), 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        (stored,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(view[position + 4 : end - 4]) != stored:
            raise BadImage(f"corrupt: checksum of PNG chunk {kind.decode('latin-1')!r} at byte {position}")
        yield kind, view[position + 8 : end - 4]
        if kind == b"IEND":
            return
        position = end
    raise BadImage("truncated: no PNG end chunk")


def _require_png(data: bytes) -> None:
    """Every checksum, the end chunk, and exactly as many bytes of pixels as the header says."""
    inflate, inflated = zlib.decompressobj(), 0
    expected = _png_bytes(data)
    for kind, payload in _png_chunks(data):
        if kind != b"IDAT":
            continue
        rest: bytes | memoryview = payload
        while len(rest) and inflated <= expected:
            try:
                inflated += len(inflate.decompress(rest, 2**20))
            except zlib.error as error:
                raise BadImage(f"corrupt: {error}") from None
            rest = inflate.unconsumed_tail
    if inflated != expected:
        raise BadImage(
            f"lying_header: the PNG header means {expected:,} bytes of pixels, there are {inflated:,}"
        )


_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def _png_bytes(data: bytes) -> int:
    """Bytes of pixels that the header promises: a filter byte and the packed samples for each row."""
    width, height, bits, colour, _, _, interlace = struct.unpack_from(">IIBBBBB", data, 16)
    bits_a_pixel = bits * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 0)
    passes = _ADAM7 if interlace else ((0, 0, 1, 1),)
    total = 0
    for x, y, step_x, step_y in passes:
        columns, rows = -(-(width - x) // step_x), -(-(height - y) // step_y)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits_a_pixel // 8))
    return total
