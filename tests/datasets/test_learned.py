"""Images that are measured and were learned from, too, are found by their bytes, and said with their number."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.datasets.conftest import Image, write_coco
from vision.datasets.coco import CocoDetection
from vision.datasets.learned import learned_too
from vision.datasets.merged import merged

BOX = ((1, 1.0, 1.0, 9.0, 9.0, False),)


def images(*ids: int) -> list[Image]:
    return [Image(each, 40 + each % 3, 30, BOX) for each in ids]


@pytest.fixture
def learned(tmp_path: Path) -> Path:
    root = write_coco(tmp_path / "learned", images(1, 2, 3, 4))
    return write_coco(root, images(5), "val")


def put(learned: Path, name: int, other: Path, split: str, place: int, how: str = "copy") -> None:
    source, target = (
        root / f"{each}2017" / f"{number:012d}.png"
        for root, each, number in ((learned, "train", name), (other, split, place))
    )
    target.unlink()
    {"copy": shutil.copyfile, "hard": os.link, "soft": os.symlink}[how](source, target)


@pytest.mark.parametrize("how", ["copy", "hard", "soft"])
def test_a_file_of_another_root_is_known_by_its_bytes(learned: Path, tmp_path: Path, how: str) -> None:
    other = write_coco(tmp_path / "other", images(13, 14, 15, 16), "val")
    val = CocoDetection(other, "val")
    assert learned_too(val, [learned]) == []
    put(learned, 1, other, "val", 13, how)
    put(learned, 4, other, "val", 16, how)
    (said,) = learned_too(val, [learned, tmp_path / "learned"])
    assert said.startswith("learned from, too: 2 of 4 measured images (such as ") and "000013.png" in said
    other_train = write_coco(tmp_path / "more", images(21, 22))
    (said,) = learned_too(merged([val, CocoDetection(other_train)]), [learned])
    assert said.startswith("learned from, too: 2 of 6 ")


def test_one_other_byte_is_another_image(learned: Path, tmp_path: Path) -> None:
    """Of the same length, size in px and end."""
    other = write_coco(tmp_path / "other", images(13), "val")
    put(learned, 1, other, "val", 13)
    file = other / "val2017/000000000013.png"
    data = bytearray(file.read_bytes() + bytes(5000))
    (learned / "train2017/000000000001.png").write_bytes(data)
    data[20] ^= 1
    file.write_bytes(data)
    assert learned_too(CocoDetection(other, "val"), [learned]) == []


def test_the_train_split_itself_is_learned_and_its_val_split_as_its_import_has_counted(learned: Path) -> None:
    (said,) = learned_too(CocoDetection(learned, "train"), [learned])
    assert said.startswith("learned from, too: 4 of 4 ")
    val = CocoDetection(learned, "val")
    assert learned_too(val, [learned]) == []
    receipt = learned / ".pipeline/import_data.json"
    receipt.parent.mkdir()
    receipt.write_text(json.dumps({"notes": {"leak": 1}}))
    assert learned_too(val, [learned]) == ["learned from, too: 1 of 1 measured image: the score is too good"]
    receipt.write_text("[]")
    assert learned_too(val, [learned]) == []


def test_a_root_that_is_gone_is_said(learned: Path, tmp_path: Path) -> None:
    (said,) = learned_too(CocoDetection(learned, "val"), [tmp_path / "gone"])
    assert str(tmp_path / "gone") in said and "is not known" in said


def test_an_image_that_is_gone_is_left_to_who_loads_it(learned: Path, tmp_path: Path) -> None:
    other = write_coco(tmp_path / "other", images(13), "val")
    put(learned, 1, other, "val", 13)
    (learned / "train2017/000000000001.png").unlink()
    assert learned_too(CocoDetection(other, "val"), [learned]) == []
