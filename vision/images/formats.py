"""What the bytes of an image are, told from the bytes and never from the name."""

from __future__ import annotations

from pathlib import PurePath

from vision.messages.advice import UserError

MAX_PIXELS = 50_000_000
"""Images with more pixels are refused before they are decoded; 50 megapixels take 0.8 GiB at most."""

MAX_BYTES = 128 * 2**20
"""Files with more bytes are refused before they are read."""

STORED = 1
"""EXIF's orientation that changes nothing: the frame as stored."""

EXIF_CHOICES = ("stored", "apply")
"""What ``--exif`` takes, the default first; ``vision.images.frame`` has the rules."""

FITS_UPRIGHT = "exif_size_mismatch"
"""The code of a refusal that ``--exif apply`` takes back."""


class BadImage(UserError):
    """The bytes are no image that can be trusted. ``reason`` is a code, or ``code: what was found``."""

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(f"{where}: {reason}" if where else reason)
        self.reason = reason
        self.where = where

    def __reduce__(self) -> tuple[type[BadImage], tuple[str, str]]:
        return BadImage, (self.reason, self.where)


_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}

IMAGE_SUFFIXES = frozenset(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes)


def may_be_image(name: str) -> bool:
    """By its name: notes, labels, ``.DS_Store``, ``Thumbs.db`` and the ``._x.jpg`` of macOS are none."""
    path = PurePath(name)
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)

_FOREIGN_MAGIC = (
    (
        b"version https://git-lfs",
        "git_lfs_pointer: the file is a pointer; fetch the image with `git lfs pull`",
    ),
    (b"%!PS", "postscript: EPS and PostScript are programs, they are never run"),
    (b"\xc5\xd0\xd3\xc6", "postscript: EPS and PostScript are programs, they are never run"),
    (b"%PDF", "pdf: a PDF document"),
    (b"PK\x03\x04", "archive: a zip archive"),
    (b"\x1f\x8b", "archive: gzip data"),
    (b"8BPS", "unsupported_format: Photoshop"),
    (b"\0\0\1\0", "unsupported_format: icon"),
    (b"\0\0\0\x0cjP  ", "unsupported_format: JPEG 2000"),
    (b"\xff\x0a", "unsupported_format: JPEG XL"),
    (b"\0\0\0\x0cJXL ", "unsupported_format: JPEG XL"),
    (b"II+\0", "unsupported_format: BigTIFF"),
    (b"MM\0+", "unsupported_format: BigTIFF"),
)

_MARKUP = (
    (b"<svg", "svg: a drawing, not pixels"),
    (b"<html", "html: a web page"),
    (b"<!doctype html", "html: a web page"),
    (b"<head", "html: a web page"),
    (b"<body", "html: a web page"),
    (b"<?xml", "xml: a text document"),
    (b"<error", "xml: an error message of a server"),
)


def format_of(data: bytes) -> str:
    """``JPEG``, ``PNG``, ``GIF``, ``BMP``, ``TIFF``, ``WEBP`` or ``PPM``.

    :raises BadImage: for anything else, saying what it is instead
    """
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return "PPM"
    raise BadImage(_what_else(data))


def suffix_fits(name: str, image_format: str) -> bool:
    """True when the suffix of ``name`` is one of ``image_format``."""
    return PurePath(name).suffix.lower() in _SUFFIXES[image_format]


def _what_else(data: bytes) -> str:
    if not data:
        return "empty: 0 bytes"
    for magic, reason in _FOREIGN_MAGIC:
        if data.startswith(magic):
            return reason
    if data[4:8] == b"ftyp":
        return f"unsupported_format: {data[8:12].decode('ascii', 'replace')} (HEIC, AVIF or video)"
    return _which_text(data[:1024]) or _which_zeros(data) or f"wrong_magic: begins with {data[:8].hex(' ')}"


def _which_text(head: bytes) -> str | None:
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):
        head = head.removeprefix(mark)
    text = head.replace(b"\0", b"").lstrip().lower()
    if text.startswith((b"<", b"{", b"[")):
        found = [(text.find(tag), reason) for tag, reason in _MARKUP if tag in text]
        svg = [reason for _, reason in found if reason.startswith("svg")]
        return svg[0] if svg else min(found)[1] if found else "text: a text document"
    return "text: a text document" if text and all(9 <= byte < 127 for byte in text) else None


def _which_zeros(data: bytes) -> str | None:
    return "zeros: every byte is zero" if not data.strip(b"\0") else None
