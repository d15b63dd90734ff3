"""One image as a worker packs it: the image that was checked, or why not."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.pack.image import Packed, PackJob, pack_image
from tests.images.packs.test_pixels import smooth
from vision.images.packs.pixels import encode


def save(folder: Path, image: np.ndarray, orientation: int = 1, name: str = "a.png") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", exif=exif)
    (folder / name).write_bytes(stream.getvalue())
    return stream.getvalue()


def pack(folder: Path, height: int, width: int, orientation: int = 1, name: str = "a.png") -> Packed | str:
    return pack_image(
        PackJob(0, str(folder), name, height, width, orientation), "rgb", 32, str(folder / "lock")
    )


def test_the_record_and_the_crc_of_what_it_was_made_from(tmp_path: Path) -> None:
    image = smooth(40, 60)
    data = save(tmp_path, image)
    assert pack(tmp_path, 40, 60) == Packed(encode(image, "rgb", 32), zlib.crc32(data))


def test_an_image_that_is_used_upright_is_packed_upright(tmp_path: Path) -> None:
    image = smooth(40, 60)
    save(tmp_path, image, orientation=3)
    upright = pack(tmp_path, 40, 60, orientation=3)
    assert isinstance(upright, Packed) and upright.record == encode(image[::-1, ::-1], "rgb", 32)
    stored = pack(tmp_path, 40, 60, orientation=1)
    assert isinstance(stored, Packed) and stored.record == encode(image, "rgb", 32)
    assert pack(tmp_path, 40, 60, orientation=6) == "EXIF orientation 3, was 6"


@pytest.mark.parametrize(
    ("hw", "name", "problem"),
    [
        ((41, 60), "a.png", "60×40 px, was 60×41 px"),
        ((40, 60), "b.png", "missing"),
        ((40, 60), "c.png", "truncated|un|no"),
    ],
)
def test_what_is_not_the_checked_image_is_named(
    hw: tuple[int, int], name: str, problem: str, tmp_path: Path
) -> None:
    data = save(tmp_path, smooth(40, 60))
    (tmp_path / "c.png").write_bytes(data[: len(data) // 2])
    found = pack(tmp_path, *hw, name=name)
    assert isinstance(found, str)
    assert any(each in found for each in problem.split("|")), found
