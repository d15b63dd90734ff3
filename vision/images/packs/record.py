"""What a pack is: its formats, how many bytes an image takes, and ``pack.json``."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

from vision.artefacts.data_layout import ArraysRecord
from vision.artefacts.records import from_plain, read_json

SCHEMA = 1
RECORD, PIXELS, FIRST_BYTE, CRC32 = "pack.json", "pixels.bin", "first_byte.npy", "crc32.npy"
SOURCE_CRC32 = "source_crc32.npy"
JPEG = "jpeg"
SIZES = {"yuv420": 384, "rgb": 384, "grey": 384, JPEG: 512}
"""Format → the size that is taken where none is named, px: both sides of a raw image, the longer side of a JPEG."""
DEFAULT_FORMAT = "yuv420"
SMALLEST, LARGEST = 32, 2048


def raw_shape(pack_format: str, size: int) -> tuple[int, ...]:
    """Of one image in a raw format: rgb (S, S, 3), grey (S, S), yuv420 (3·S/2, S) as planes Y, U, V (I420)."""
    return {"rgb": (size, size, 3), "grey": (size, size), "yuv420": (size * 3 // 2, size)}[pack_format]


def raw_bytes(pack_format: str, size: int) -> int:
    return math.prod(raw_shape(pack_format, size))


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRecord:
    """``pack.json``, written last.

    * split, format, size, images: what the pack holds; bytes: of ``pixels.bin``
    * list_sha256: which images in which order, :func:`list_digest`
    * sha256: of each ``.npy`` beside it
    """

    schema: int
    split: str
    format: str
    size: int
    images: int
    bytes: int
    list_sha256: str
    sha256: dict[str, str]

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise ValueError(f"expected schema {SCHEMA}, found {self.schema}")
        if self.format not in SIZES:
            raise ValueError(f"expected a format of {', '.join(SIZES)}, found {self.format!r}")
        if not SMALLEST <= self.size <= LARGEST or self.size % 2:
            raise ValueError(f"expected an even size from {SMALLEST} to {LARGEST} px, found {self.size}")
        expected = self.images * raw_bytes(self.format, self.size) if self.format != JPEG else self.bytes
        if self.images < 0 or self.bytes != expected:
            raise ValueError(
                f"{self.images} images of {self.size} px take {expected:,} bytes, found {self.bytes:,}"
            )


def list_digest(arrays: ArraysRecord) -> str:
    """sha256 over ids, names, sizes and orientations of the images in their order, by what ``arrays.json`` says of them.

    Boxes and classes are not in it: a pack stays good when they change and the images do not.
    """
    named = ("image_ids", "file_names", "heights", "widths", "orientations")
    digests = {name: arrays.sha256.get(f"{name}.npy", "") for name in named}
    return hashlib.sha256(json.dumps([arrays.image_folder, digests], sort_keys=True).encode()).hexdigest()


def read_pack_record(folder: Path) -> PackRecord:
    """Raises OSError where there is none, RecordError where it is damaged."""
    path = folder / RECORD
    return from_plain(PackRecord, read_json(path), str(path))
