"""Several data sets as one: the same images, boxes and labels as each of them has, by name."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.datasets.conftest import Image, write_coco
from vision.datasets import splits
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError
from vision.datasets.merged import MergedDetection, merged, notes, union
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


def named(part: CocoDetection, *names: str, ids: Sequence[int] = ()) -> CocoDetection:
    part.classes = ["BACKGROUND", *names]
    part.original_category_ids = [0, *(ids or range(1, len(names) + 1))]
    return part


@pytest.fixture
def three(tmp_path: Path) -> list[CocoDetection]:
    """{apple, pear}, {Pear, fig}, {apple}; images 1 to 3, 3 and 4, 9, each with a box of each class."""
    parts = []
    for name, classes, numbers in (
        ("one", ["apple", "pear"], [1, 2, 3]),
        ("two", ["pear ", "Fig"], [3, 4]),
        ("three", ["apple"], [9]),
    ):
        boxes = [
            (label, 4.0 * label, 4.0, 4.0 * label + 9, 20.0, False) for label in range(1, len(classes) + 1)
        ]
        root = write_coco(
            tmp_path / name, [Image(number, 40, 30, boxes) for number in numbers], classes=len(classes) + 1
        )
        parts.append(named(CocoDetection(root), *classes, ids=[7, 9][: len(classes)]))
    return parts


def test_the_union_is_by_name_in_the_order_of_appearance(three: list[CocoDetection]) -> None:
    """Blanks and case alone make no other class; an id that is taken gives way to the next that is free."""
    data = merged(three)
    assert isinstance(data, MergedDetection)
    assert data.classes == ["BACKGROUND", "apple", "pear", "Fig"] and data.original_category_ids == [
        0,
        7,
        9,
        10,
    ]
    assert [data.load(index).labels.tolist() for index in range(6)] == [[1, 2]] * 3 + [[2, 3]] * 2 + [[1]]
    assert data.columns("labels")[0].tolist() == [1, 2] * 3 + [2, 3] * 2 + [1]
    turned = merged(three[::-1])
    assert turned.classes == ["BACKGROUND", "apple", "pear ", "Fig"] and turned.digest != data.digest
    assert union(three[1:]) == ["BACKGROUND", "pear ", "Fig", "apple"]


def test_each_image_tells_what_it_is_not_labelled_with(three: list[CocoDetection]) -> None:
    data = merged(three)
    assert isinstance(data, MergedDetection)
    assert [data.load(index).unlabelled for index in range(6)] == [(3,)] * 3 + [(1,)] * 2 + [(2, 3)]
    assert data.unlabelled == [([1, 2, 3], [10]), ([4, 5], [7]), ([6], [9, 10])]
    said = "\n".join(notes(data))
    assert "one does not label Fig: in its 3 images that is no background" in said
    assert "three does not label pear, Fig" in said and "two: pear  is taken for pear" in said
    assert three[0].load(0).unlabelled == () and notes(three[0]) == []


def test_sets_of_equal_classes_are_labelled_with_all(
    both: tuple[CocoDetection, Any, MergedDetection],
) -> None:
    *_, data = both
    assert not data.unlabelled and notes(data) == [] and data.load(0).unlabelled == ()


def test_the_order_of_a_digest_is_found(three: list[CocoDetection]) -> None:
    first, second, third = three
    now, was = merged(three), merged([second, third, first])
    assert isinstance(now, MergedDetection)
    assert now.in_the_order_of(was.digest) == [second.root, third.root, first.root]
    assert now.in_the_order_of(merged([second, first]).digest) is None


def test_a_class_that_the_run_does_not_know_is_refused(miniature_root: Path) -> None:
    part = CocoDetection(miniature_root, "val")
    with pytest.raises(
        DatasetError, match=f"(?s)other classes than the run: {part.classes[-1]}\n  why: .*\n  fix: "
    ):
        merged([part], part.classes[:-1])


def test_what_is_only_measured_on_may_lack_classes(miniature_root: Path) -> None:
    """No box of theirs is there to be found, and none that is found counts."""
    part = CocoDetection(miniature_root, "val")
    more, ids = [*part.classes, "zebra of the other kind"], [*part.original_category_ids, 240]
    data = merged([part], more, ids)
    assert isinstance(data, MergedDetection)
    assert data.classes == more and np.array_equal(data.columns("labels")[0], part.columns("labels")[0])
    assert data.unlabelled == [(part.image_ids, [240])]


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
