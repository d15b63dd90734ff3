"""The split: what is stated stays, what is drawn is fair and repeatable, and no image is on both sides."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline.formats.contract import ForeignBox
from pipeline.import_data.classes import Classes, unite
from pipeline.import_data.judge import Kept
from pipeline.import_data.report import Report
from pipeline.import_data.request import Request
from pipeline.import_data.split import Halves, divide
from pipeline.stop import NEVER, StageError


def kept(
    folder: Path, names: dict[str, str], split: str | None = None, content: bytes | None = None
) -> list[Kept]:
    """File name → its classes, separated by blanks; each file is another one unless ``content`` is given."""
    found = []
    for name, classes in names.items():
        path = folder / name
        path.write_bytes(content if content is not None else name.encode())
        boxes = [ForeignBox(each, (0, 0, 1, 1)) for each in classes.split()]
        found.append(Kept(path, name, split, (9, 9), boxes, name))
    return found


def classes_of(images: list[Kept]) -> Classes:
    return unite([], Counter(box.name for image in images for box in image.boxes))


def divided(images: list[Kept], report: Report | None = None, **more: object) -> Halves:
    report = report or Report(kept=Counter(image=len(images), box=sum(len(image.boxes) for image in images)))
    request = Request("voc", Path(), Path(), **more)  # type: ignore[arg-type]
    return divide(images, request, classes_of(images), report, NEVER)


def names(images: list[Kept]) -> list[str]:
    return [image.name for image in images]


def test_a_drawn_split_has_its_share_of_each_class(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = {
        f"{n}.jpg": " ".join(
            each for each, share in (("a", 0.9), ("b", 0.3), ("c", 0.06)) if rng.random() < share
        )
        for n in range(300)
    }
    images = kept(tmp_path, table)
    halves = divided(images)
    assert len(halves.train) + len(halves.val) == 300 and len(halves.val) == 60
    for name in "abc":
        every = sum(name in text.split() for text in table.values())
        held = sum(any(box.name == name for box in image.boxes) for image in halves.val)
        assert abs(held - 0.2 * every) <= 0.5, name
    assert names(divided(images).val) == names(halves.val) and names(divided(images, seed=1).val) != names(
        halves.val
    )
    assert names(halves.train) == [name for name in table if name not in names(halves.val)], (
        "in the order of the layout"
    )


def test_the_split_does_not_depend_on_the_order_of_the_files(tmp_path: Path) -> None:
    images = kept(tmp_path, {f"{n}.jpg": "ab"[n % 2] for n in range(50)})
    assert set(names(divided(images).val)) == set(names(divided(images[::-1]).val))


def test_the_same_bytes_stay_on_one_side(tmp_path: Path) -> None:
    images = kept(tmp_path, {f"{n}.jpg": "a" for n in range(40)})
    twins = [
        kept(tmp_path, {f"twin {n}{end}.jpg": "a" for end in "xyz"}, content=b"%d" % (1000 + n))
        for n in range(10)
    ]
    for seed in range(5):
        halves = divided(images + [image for group in twins for image in group], seed=seed)
        held = set(names(halves.val))
        assert all(len(held & set(names(group))) in (0, 3) for group in twins)
        assert any("to the byte" in line for line in halves.notes)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_few_images_have_one_on_each_side(number: int, tmp_path: Path) -> None:
    halves = divided(kept(tmp_path, {f"{n}.jpg": "a" for n in range(number)}))
    assert halves.train and halves.val


@pytest.mark.parametrize("number", [0, 1])
def test_one_image_cannot_be_split(number: int, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="cannot be split"):
        divided(kept(tmp_path, {f"{n}.jpg": "a" for n in range(number)}))


def test_what_is_stated_stays(tmp_path: Path) -> None:
    images = kept(tmp_path, {"a.jpg": "x", "b.jpg": "x"}, "train") + kept(tmp_path, {"c.jpg": "x"}, "val")
    halves = divided(images)
    assert (names(halves.train), names(halves.val), halves.leak) == (["a.jpg", "b.jpg"], ["c.jpg"], 0)
    assert "as the layout states it" in halves.notes[-1]
    assert len(divided(images, resplit=True).val) == 1


def test_test_takes_the_place_of_val_or_is_left_out_aloud(tmp_path: Path) -> None:
    train, test = kept(tmp_path, {"a.jpg": "x"}, "train"), kept(tmp_path, {"t.jpg": "x y"}, "test")
    halves = divided(train + test)
    assert names(halves.val) == ["t.jpg"] and "1 image of test" in halves.notes[0]
    report = Report(taken_in=Counter(image=3, box=4), kept=Counter(image=3, box=4))
    halves = divided(train + test + kept(tmp_path, {"v.jpg": "x"}, "val"), report)
    assert names(halves.val) == ["v.jpg"] and "test: 1 image left out" in halves.notes[0]
    assert (
        report.counts().dropped == {"image.test_split": 1, "box.image_dropped": 2}
        and report.kept.total() == 4
    )


def test_val_alone_is_split(tmp_path: Path) -> None:
    halves = divided(kept(tmp_path, {f"{n}.jpg": "x" for n in range(10)}, "val"))
    assert len(halves.train) == 8 and len(halves.val) == 2 and "made here" in halves.notes[-1]


def test_equal_lists_are_a_leak_said_aloud(tmp_path: Path) -> None:
    table = {f"{n}.jpg": "x" for n in range(5)}
    halves = divided(kept(tmp_path, table, "train") + kept(tmp_path, table, "val"))
    assert (
        halves.leak == 5 and "the same list as train" in halves.notes[-1] and "--resplit" in halves.notes[-1]
    )
    report = Report(taken_in=Counter(image=10, box=10), kept=Counter(image=10, box=10))
    again = divided(kept(tmp_path, table, "train") + kept(tmp_path, table, "val"), report, resplit=True)
    assert not set(names(again.train)) & set(names(again.val)) and len(again.train) + len(again.val) == 5
    assert report.counts().dropped == {"image.duplicate_image": 5, "box.image_dropped": 5}


def test_the_same_bytes_under_another_name_are_a_leak(tmp_path: Path) -> None:
    images = kept(tmp_path, {"a.jpg": "x"}, "train", b"same") + kept(
        tmp_path, {"b.jpg": "x", "c.jpg": "x"}, "val", b"same"
    )
    images[-1].path.write_bytes(b"other")
    halves = divided(images)
    assert halves.leak == 1 and "'b.jpg'" in halves.notes[-1]
