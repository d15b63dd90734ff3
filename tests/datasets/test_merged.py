"""Several data sets as one: the same images, boxes and labels as each of them has, by name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vision.datasets import splits
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError
from vision.datasets.merged import MergedDetection, merged
from vision.engine.evaluation.ground_truth import ground_truth_of


class Turned(CocoDetection):
    """The same set with its classes named the other way round."""

    @property
    def classes(self) -> list[str]:  # type: ignore[override]
        return [self._named[0], *reversed(self._named[1:])]

    @classes.setter
    def classes(self, named: list[str]) -> None:
        self._named = named


@pytest.fixture
def both(miniature_root: Path) -> tuple[CocoDetection, CocoDetection, MergedDetection]:
    first, second = CocoDetection(miniature_root, "val"), Turned(miniature_root, "train")
    data = merged([first, second])
    assert isinstance(data, MergedDetection)
    return first, second, data


def test_each_image_has_its_boxes_and_its_names(both: tuple[CocoDetection, Any, MergedDetection]) -> None:
    first, second, data = both
    assert len(data) == len(first) + len(second) and not data.renumbered
    for index in range(len(data)):
        part, own = (first, index) if index < len(first) else (second, index - len(first))
        mine, theirs = data.load(index), part.load(own)
        assert (
            np.array_equal(mine.image, theirs.image)
            and mine.image_id == theirs.image_id == data.image_ids[index]
        )
        assert [data.classes[label] for label in mine.labels] == [
            part.classes[label] for label in theirs.labels
        ]
        assert data.describe(index) == part.describe(own)
    assert any(len(data.load(index).labels) for index in range(len(first), len(data)))


def test_its_arrays_are_those_of_its_images(both: tuple[CocoDetection, Any, MergedDetection]) -> None:
    *_, data = both
    first_box, labels, boxes = data.columns("first_box", "labels", "boxes_xyxy_px")
    for index in range(len(data)):
        sample, own = data.load(index), slice(*first_box[index : index + 2])
        assert np.array_equal(labels[own], sample.labels) and np.array_equal(boxes[own], sample.boxes_xyxy_px)
    assert data.counts.keys() == data.parts[0].counts.keys(), "a checkpoint wants all of them, zeros too"
    assert data.counts["boxes"] == len(labels) == first_box[-1] and data.counts["images"] == len(data)
    truth = ground_truth_of(data)
    assert set(truth.category_ids) <= {row["id"] for row in truth.categories}


def test_images_of_one_id_are_numbered_anew(miniature_root: Path) -> None:
    part = CocoDetection(miniature_root, "val")
    data = merged([part, CocoDetection(miniature_root, "val")])
    assert (
        data.image_ids == list(range(1, 2 * len(part) + 1)) and data.load(len(part)).image_id == len(part) + 1
    )


def test_one_set_is_itself_unless_its_order_is_another(miniature_root: Path) -> None:
    part = CocoDetection(miniature_root, "val")
    assert merged([part]) is part and merged([part], part.classes) is part
    other = merged([part], [part.classes[0], *reversed(part.classes[1:])])
    assert other.digest != part.digest and other.image_ids == part.image_ids
    for index, (mine, theirs) in enumerate(
        zip(other.columns("labels")[0], part.columns("labels")[0], strict=True)
    ):
        assert other.classes[mine] == part.classes[theirs], index
        assert other.original_category_ids[mine] == part.original_category_ids[theirs]


def test_other_classes_are_refused(miniature_root: Path) -> None:
    part = CocoDetection(miniature_root, "val")
    with pytest.raises(
        DatasetError, match=r"(?s)other classes than the run: .*\n  why: .*background.*\n  fix: "
    ):
        merged([part], part.classes[:-1])
    less = CocoDetection(miniature_root, "train")
    less.classes = [*less.classes[:-1], "something else"]
    with pytest.raises(DatasetError, match="other classes than the others: something else"):
        merged([part, less])


def test_what_is_only_measured_on_may_lack_classes(miniature_root: Path) -> None:
    """No box of theirs is there to be found; a class that the run does not know is refused."""
    part = CocoDetection(miniature_root, "val")
    more, ids = [*part.classes, "zebra"], [*part.original_category_ids, 24]
    data = merged([part], more, ids)
    assert data.classes == more and np.array_equal(data.columns("labels")[0], part.columns("labels")[0])
    with pytest.raises(DatasetError, match=part.classes[-1]):
        merged([part], part.classes[:-1], part.original_category_ids[:-1])


def test_a_run_learns_all_and_measures_all_or_what_is_named(
    miniature_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, val = (len(CocoDetection(miniature_root, split)) for split in ("train", "val"))
    second = Path(shutil.copytree(miniature_root, tmp_path / "second"))
    both = miniature_root, second
    assert [len(one) for one in splits.open_splits(*both)] == [2 * train, 2 * val]
    assert [len(one) for one in splits.open_splits(*both, validation=second)] == [2 * train, val]
    monkeypatch.setattr(splits, "_is_drawn", lambda root: True)
    measured = splits.open_splits(miniature_root, validation=second)[1]
    assert len(measured) == train + val, "nobody has stated the split of what is measured on"
    (tmp_path / "link").symlink_to(second)
    measured = splits.open_splits(*both, validation=tmp_path / "link")[1]
    assert len(measured) == val, "the rest of it is learned"
    monkeypatch.undo()
    again = splits.open_splits(miniature_root, validation=second)[0]
    assert again.digest == CocoDetection(miniature_root, "train").digest


def test_a_root_that_is_named_twice_is_refused(miniature_root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(miniature_root)
    with pytest.raises(DatasetError, match=r"is named twice\n  why: .*\n  fix: name it once"):
        splits.open_splits(miniature_root, tmp_path / "link")
