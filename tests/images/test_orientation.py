"""EXIF's orientation against Pillow's own reading and turning, in every format that carries it."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.images.corpus import encoded, pixels
from vision.images.decode import check_image, decode_rgb, orientation_of
from vision.images.orientation import as_stored, is_turned, read_exif, upright

EVERY = range(1, 9)
SMALL = pixels()[:37, :51]
CARRIERS = {
    "jpeg": ("JPEG", {"subsampling": 0}),
    "progressive": ("JPEG", {"progressive": True}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {"lossless": True}),
    "tiff": ("TIFF", {}),
    "lzw": ("TIFF", {"compression": "tiff_lzw"}),
}


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x010F] = "A maker"
    made[0x0112] = orientation
    return made


def carrier(name: str, orientation: int) -> bytes:
    kind, options = CARRIERS[name]
    return encoded(SMALL, kind, exif=exif(orientation), **options)


@pytest.mark.parametrize("orientation", EVERY)
@pytest.mark.parametrize("name", CARRIERS)
def test_upright_pixels_are_those_of_pillow(name: str, orientation: int) -> None:
    data = carrier(name, orientation)
    assert orientation_of(data) == orientation
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    found = decode_rgb(data, upright=True)
    assert np.array_equal(found, expected)
    assert found.dtype == np.uint8 and found.flags.c_contiguous


@pytest.mark.parametrize("orientation", EVERY)
@pytest.mark.parametrize("name", CARRIERS)
def test_without_it_the_frame_is_the_stored_one_also_of_a_tiff(name: str, orientation: int) -> None:
    """Pillow turns TIFFs on its own; the pixels in the file are the same for all eight orientations."""
    found = decode_rgb(carrier(name, orientation))
    assert np.array_equal(found, decode_rgb(carrier(name, 1)))
    assert np.array_equal(found, SMALL) or CARRIERS[name][0] == "JPEG"


@pytest.mark.parametrize("orientation", EVERY)
def test_there_and_back(orientation: int) -> None:
    turned = upright(SMALL, orientation)
    assert turned.shape[:2] == (SMALL.shape[1::-1] if is_turned(orientation) else SMALL.shape[:2])
    assert np.array_equal(as_stored(turned, orientation), SMALL)


def test_a_png_may_carry_it_behind_the_pixels_or_as_text() -> None:
    payload = exif(6).tobytes().removeprefix(b"Exif\0\0")
    plain = encoded(SMALL, "PNG")
    end = plain.index(b"IEND") - 4
    body = b"eXIf" + payload
    chunk = struct.pack(">I", len(payload)) + body + struct.pack(">I", zlib.crc32(body))
    assert orientation_of(plain[:end] + chunk + plain[end:]) == 6

    text = f"Raw profile type exif\0\nexif\n{len(payload):8}\n{payload.hex()}\n".encode()
    body = b"tEXt" + text
    chunk = struct.pack(">I", len(text)) + body + struct.pack(">I", zlib.crc32(body))
    assert orientation_of(plain[:33] + chunk + plain[33:]) == 6


def with_app1(*payloads: bytes) -> bytes:
    jpeg = encoded(SMALL, "JPEG")
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(each) + 2) + each for each in payloads)
    return jpeg[:2] + segments + jpeg[2:]


def test_exif_that_goes_on_in_a_second_segment() -> None:
    entry = struct.pack("<HHHI4s", 1, 0x0112, 3, 1, b"\x08\0\0\0")
    head = b"II*\0" + struct.pack("<I", 8 + 500)
    data = with_app1(b"Exif\0\0" + head + bytes(400), b"Exif\0\0" + bytes(100) + entry)
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif()[0x0112] == 8
    assert orientation_of(data) == 8


def test_broken_and_hostile_exif_counts_as_none() -> None:
    good = exif(6).tobytes()
    assert read_exif(good) == 6
    directory = b"MM\0*\0\0\0\x08\xff\xff" + struct.pack(">HHII", 0x9000, 7, 0xFFFFFFFF, 0) * 5000
    for bad in (
        b"",
        b"Exif\0\0",
        good[:12],
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"XX*\0" + good[10:],
        directory,
    ):
        assert read_exif(bad) == 1, bad[:20]
    for value in (0, 9, 65535):
        assert read_exif(exif(value).tobytes()) == 1
    for at in range(len(good)):  # never a crash, whatever is cut or turned over
        assert 1 <= read_exif(good[:at]) <= 8
        assert 1 <= read_exif(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :]) <= 8


def test_entries_that_point_at_one_large_block_take_no_memory() -> None:
    """Pillow copies the value of each entry: 5,000 of them that share 60 kB are 300 MB."""
    count = 5000
    entries = struct.pack(">HHII", 0x9000, 7, 60_000, 0) * (count - 1) + struct.pack(
        ">HHIHH", 0x0112, 3, 1, 6, 0
    )
    data = with_app1(b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", count) + entries)
    tracemalloc.start()
    try:
        assert orientation_of(data) == 6
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_the_header_of_a_png_is_read_without_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(_image: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", loaded)
    assert orientation_of(encoded(SMALL, "PNG")) == 1


@pytest.mark.parametrize("orientation", EVERY)
@pytest.mark.parametrize("name", CARRIERS)
def test_the_second_reader_may_turn_it_or_not(name: str, orientation: int) -> None:
    suffix = {"JPEG": ".jpg", "TIFF": ".tif"}.get(CARRIERS[name][0], f".{name}")
    for frame in ("stored", "apply"):
        found = check_image(carrier(name, orientation), f"a{suffix}", None, thorough=True, exif=frame)
        assert found.verdict == ("ok" if orientation == 1 else "convert"), found
