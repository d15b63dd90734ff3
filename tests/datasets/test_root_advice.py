"""What is printed for a root without arrays is right for COCO, for data of one's own, and for neither yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vision.datasets import root_advice
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError

ODD = "a b$(touch X)"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / ODD
    root.mkdir()
    return root


def by_hand(root: Path, *splits: str) -> None:
    (root / "annotations").mkdir(exist_ok=True)
    for split in splits:
        (root / f"{split}2017").mkdir()
        (root / f"annotations/instances_{split}2017.json").write_text("{}")


def said(root: Path, split: str = "train") -> str:
    with pytest.raises(DatasetError) as raised:
        CocoDetection(root, split)
    return str(raised.value).split("fix: ")[1]


def test_of_ones_own_nothing_is_fetched(root: Path) -> None:
    by_hand(root, "train", "val")
    for split in ("train", "val"):
        assert said(root, split) == f"python -m pipeline run --root '{root}' --from validate_images"


def test_a_split_that_is_not_there_is_to_be_put_there(root: Path) -> None:
    by_hand(root, "train")
    assert said(root) == f"python -m pipeline run --root '{root}' --from validate_images --splits train"
    assert said(root, "val").startswith(
        f"put '{root}/val2017'/ and '{root}/annotations/instances_val2017.json'"
    )


@pytest.mark.parametrize("note", ["extract.json", "claims/extract.json"])
def test_what_extract_has_made_is_no_data_of_ones_own(root: Path, note: str) -> None:
    by_hand(root, "train", "val")
    (root / ".pipeline" / note).parent.mkdir(parents=True)
    (root / ".pipeline" / note).write_text("{}")
    assert said(root) == f"python -m pipeline run --root '{root}' --splits train,val"
    assert "bring it back" not in root_advice.image_gone(root)
    (root / ".pipeline/choices.json").write_text(json.dumps({"own": True}))
    assert root_advice.image_gone(root).startswith("bring it back")


def test_where_there_is_neither_both_ways_are_named(root: Path) -> None:
    text = said(root)
    assert f"python -m pipeline run --root '{root}' --splits train,val" in text
    assert "for your own: put" in text and "--from validate_images" in text


def test_a_folder_inside_a_data_folder_is_told_from_one_without_data(root: Path) -> None:
    by_hand(root, "train", "val")
    (root / ".pipeline").mkdir()
    for typed in (root / "train2017", root.parent):
        assert said(typed) == f"name the data folder itself: '{root}'"
