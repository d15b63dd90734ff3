"""Names in the data root: plain, each once on any disk; what is no image by its kind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.formats.contract import Foreign, ForeignBox, ForeignImage
from pipeline.import_data.images import Sizes
from pipeline.import_data.judge import Judge, Kept, give_names
from pipeline.import_data.report import Report
from tests.pipeline.formats.judged import image


def test_names_are_plain_and_each_once() -> None:
    given = {
        "a.jpg": "a.jpg", "sub/a.jpg": "sub/a.jpg", "A.JPG": "A-2.JPG", "../x.jpg": "x.jpg", "x.jpg": "x-2.jpg", "c:\\y.png": "y.png",
        "-rf.jpg": "rf.jpg", "a\nb.jpg": "a_b.jpg", "\udcff.jpg": "image.jpg", "photo 1.jpg": "photo 1.jpg", "žluť.jpg": "žluť.jpg",
    }  # fmt: skip
    images = [Kept(Path(name), name, None, (1, 1), [], name) for name in given]
    report = Report()
    give_names(images, report)
    assert {before: image.name for before, image in zip(given, images, strict=True)} == given
    assert report.changed["renamed"] == sum(before != after for before, after in given.items())


def test_a_file_and_a_folder_of_one_name_get_two() -> None:
    """Of two folders of images, one has ``x.jpg``, the other one ``X.jpg/a.jpg``."""
    for given in (
        {"x.jpg": "x.jpg", "X.jpg/a.jpg": "X.jpg_a.jpg", "x.jpg/b/a.jpg": "x.jpg_b_a.jpg"},
        {"X.jpg/a.jpg": "X.jpg/a.jpg", "x.jpg": "x-2.jpg", "X.jpg/b.jpg": "X.jpg/b.jpg"},
    ):
        images = [Kept(Path(name), name, None, (1, 1), [], name) for name in given]
        report = Report()
        give_names(images, report)
        assert {before: image.name for before, image in zip(given, images, strict=True)} == given
        assert report.changed["renamed"] == sum(before != after for before, after in given.items())


def test_a_new_name_fits_on_a_disk() -> None:
    given = {
        "ž" * 125 + ".jpg": "ž" * 125 + ".jpg",
        "Ž" * 125 + ".jpg": "ž" * 122 + "-2.jpg",
        "sub/" + "a" * 251 + ".jpg": "sub/" + "a" * 251 + ".jpg",
        "sub/" + "A" * 251 + ".jpg": "sub/" + "A" * 244 + "-2.jpg",
        "-" + "b" * 250 + ".xy": "b" * 246 + ".jpg",
    }
    images = [Kept(Path("x.jpg"), name, None, (1, 1), [], name) for name in given]
    give_names(images, Report())
    for name, found in zip(given, images, strict=True):
        assert len(found.name.rpartition("/")[2].encode()) <= 255 and found.name.endswith(".jpg")
        assert found.name.lower() == given[name].lower()


@pytest.mark.parametrize("kind", ["pipe", "folder", "text", "link to nothing"])
def test_what_is_no_image_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ("x.txt" if kind == "text" else "x.jpg")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("x")
    else:
        path.symlink_to(tmp_path / "gone")
    report = Report()
    judge = Judge(Sizes("stored"), "ignore", report)
    judge.judge_all(
        Foreign((), [ForeignImage(path, path.name, None, None, (ForeignBox("cat", (0, 0, 1, 1)),))])
    )
    assert {reason for _, reason in report.dropped} == {
        "not_an_image" if kind == "text" else "not_a_file",
        "image_dropped",
    }


@pytest.mark.parametrize(
    ("difficult", "crowds"), [("ignore", [True, False]), ("keep", [False, False]), ("drop", [False])]
)
def test_difficult(difficult: str, crowds: list[bool], tmp_path: Path) -> None:
    boxes = (ForeignBox("cat", (0, 0, 9, 9), ignored=True), ForeignBox("cat", (0, 0, 9, 9)))
    judge = Judge(Sizes("stored"), difficult, Report())
    kept = judge.judge_all(Foreign((), [ForeignImage(image(tmp_path / "a.jpg"), "a.jpg", None, None, boxes)]))
    assert [box.crowd for box in kept[0].boxes] == crowds
