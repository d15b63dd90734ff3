"""``pack.json`` says what a pack is, and nothing that cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vision.artefacts.data_layout import BACKGROUND, ArraysRecord
from vision.images.packs.record import SIZES, PackRecord, list_digest, raw_bytes

PLAIN: dict[str, Any] = {
    "schema": 1, "split": "train", "format": "rgb", "size": 64, "images": 2, "bytes": 2 * 64 * 64 * 3,
    "list_sha256": "0" * 64, "sha256": {},
}  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema": 2},
        {"format": "png"},
        {"size": 63},
        {"size": 16},
        {"size": 4096},
        {"images": -2},
        {"bytes": 1},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    PackRecord(**PLAIN)
    with pytest.raises(ValueError, match=r"expected|take"):
        PackRecord(**(PLAIN | wrong))


def test_bytes_of_an_image() -> None:
    assert {name: raw_bytes(name, 384) for name in SIZES if name != "jpeg"} == {
        "rgb": 442_368, "grey": 147_456, "yuv420": 221_184,
    }  # fmt: skip
    assert 118_287 * raw_bytes("yuv420", 384) == 26_163_191_808  # train2017: 26 GB
    PackRecord(**(PLAIN | {"format": "jpeg", "bytes": 12_345}))


def test_the_list_is_of_images_and_not_of_boxes() -> None:
    arrays = ArraysRecord(
        schema=1, split="train", image_folder="train2017", counts={}, classes=[BACKGROUND], original_category_ids=[0],
        sha256={f"{name}.npy": name for name in ("image_ids", "file_names", "heights", "widths", "labels")},
    )  # fmt: skip
    digest = list_digest(arrays)
    assert list_digest(replace(arrays, sha256=arrays.sha256 | {"labels.npy": "other"})) == digest
    for name in ("image_ids", "file_names", "heights", "widths", "orientations"):
        assert list_digest(replace(arrays, sha256=arrays.sha256 | {f"{name}.npy": "other"})) != digest
    assert list_digest(replace(arrays, image_folder="val2017")) != digest
