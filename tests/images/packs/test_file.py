"""A pack is opened at once and only when it is whole; its document is enough to read it."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pipeline.pack.image import Packed
from pipeline.pack.writer import PackWriter
from tests.images.packs.test_pixels import smooth
from vision.artefacts.files import publish_json
from vision.artefacts.records import RecordError, to_plain
from vision.images.packs.file import PackFile
from vision.images.packs.pixels import encode
from vision.images.packs.record import PackRecord

IMAGES = [smooth(60 + 3 * number, 80) for number in range(5)]


def write(folder: Path, pack_format: str, size: int = 64) -> Path:
    about = {
        "schema": 1, "split": "train", "format": pack_format, "size": size, "images": len(IMAGES), "list_sha256": "0" * 64,
    }  # fmt: skip
    with PackWriter(folder, about) as writer:
        for number, image in enumerate(IMAGES):
            writer.append(Packed(encode(image, pack_format, size), number))
        record = PackRecord(**about, sha256=writer.finish(pack_format), bytes=writer.bytes)
    publish_json(folder / "pack.json", to_plain(record))
    return folder


@pytest.mark.parametrize("pack_format", ["rgb", "yuv420", "grey", "jpeg"])
def test_records_by_index_also_in_another_process(pack_format: str, tmp_path: Path) -> None:
    pack = PackFile(write(tmp_path / "pack", pack_format))
    assert len(pack) == 5 and pack.source_crc32().tolist() == [0, 1, 2, 3, 4]
    assert not pack.pixels.flags.writeable
    travelled = pickle.dumps(pack)
    assert len(travelled) < 2000, "the pixels stay on the disk"
    for each in (pack, pickle.loads(travelled)):
        for number, image in enumerate(IMAGES):
            assert each.bytes_of(number).tobytes() == encode(image, pack_format, 64)
    assert pack.damaged(range(5)) is None


def test_the_document_is_enough_to_read_it(tmp_path: Path) -> None:
    """docs/artefacts.md: NumPy and zlib, and nothing of ours."""
    folder = write(tmp_path / "pack", "jpeg")
    data, first = (folder / "pixels.bin").read_bytes(), np.load(folder / "first_byte.npy")
    assert (first.dtype, first[0], first[-1]) == (np.int64, 0, len(data))
    crcs = [zlib.crc32(data[a:b]) for a, b in pairwise(first)]
    assert np.load(folder / "crc32.npy").tolist() == crcs and data[:2] == b"\xff\xd8"
    raw = write(tmp_path / "raw", "rgb")
    pixels = np.memmap(raw / "pixels.bin", np.uint8, "r", shape=(5, 64, 64, 3))
    assert np.array_equal(pixels[3], PackFile(raw).rgb(3))


@pytest.mark.parametrize("name", ["pack.json", "pixels.bin", "crc32.npy", "first_byte.npy"])
@pytest.mark.parametrize("how", ["cut", "gone"])
def test_a_pack_that_is_not_whole_is_not_opened(name: str, how: str, tmp_path: Path) -> None:
    path = write(tmp_path / "pack", "jpeg") / name
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises((OSError, RecordError, ValueError), match=r"."):
        PackFile(tmp_path / "pack")


def test_a_changed_byte_is_found_by_its_image(tmp_path: Path) -> None:
    folder = write(tmp_path / "pack", "rgb")
    with (folder / "pixels.bin").open("r+b") as file:
        file.seek(3 * 64 * 64 * 3 + 7)
        file.write(bytes([PackFile(folder).pixels[3 * 64 * 64 * 3 + 7] ^ 1]))
    pack, asked = PackFile(folder), []
    assert pack.damaged(range(5), lambda: asked.append(1)) == 3 and len(asked) == 4
    assert pack.damaged([0, 1, 2, 4]) is None
    shutil.rmtree(folder)


def test_it_is_read_without_torch() -> None:
    code = "import vision.images.packs.file, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
