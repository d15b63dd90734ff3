"""Two image ids of one file are found, also where only the file system knows that the names are one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.annotations.reader import AnnotationError
from pipeline.remap_categories.image_names import ImageNames
from pipeline.remap_categories.stage import remap
from tests.pipeline.annotation_corpus import BASE, IMAGE, document
from vision.artefacts.data_layout import original_path, remapped_path

COMPOSED, APART = "caf\u00e9.jpg", "cafe\u0301.jpg"


def problem(folder: Path | None, *names: str) -> str | None:
    found = ImageNames(folder)
    for image_id, name in enumerate(names):
        found.add(name, image_id)
    return found.problem()


def test_one_name_twice_is_one_file_wherever_it_is() -> None:
    told = problem(None, "a/b.jpg", "c.jpg", "a/b.jpg", "a/b.jpg") or ""
    assert told.startswith("id 0 and id 2 both name 'a/b.jpg', and 1 more pairs; ")


@pytest.mark.parametrize(("first", "second"), [("A.jpg", "a.JPG"), (COMPOSED, APART), ("d/x.png", "D/x.png")])
def test_names_that_look_alike_are_one_where_the_disk_says_so(
    first: str, second: str, tmp_path: Path
) -> None:
    """A second name of the file stands for a file system that knows no case."""
    for name in (first, second):
        (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / first).write_bytes(b"1")
    assert problem(tmp_path, first, second) is None, "the second one is not there"
    (tmp_path / second).write_bytes(b"1")
    assert problem(tmp_path, first, second) is None, "two files"
    (tmp_path / second).unlink()
    os.link(tmp_path / first, tmp_path / second)
    assert f"both name {first!r} ({second!r})" in (problem(tmp_path, first, second) or "")
    assert problem(None, first, second) is None


FIRST = BASE["images"][0]
REFUSED = {
    "an id of two files": ([*BASE["images"], IMAGE | {"id": 2}], "id 2 is that of '000000000002.jpg' and of 'four.jpg'"),
    "the first no good": ([IMAGE | {"id": 2, "file_name": "unknown.jpg"}, *BASE["images"]], "id 2 is that of 'unknown.jpg'"),
    "a file of two ids": ([*BASE["images"], FIRST | {"id": 5}], "id 1 and id 5 both name '000000000001.jpg'"),
    "no images": ([], "no image is left: the list of images is empty"),
}  # fmt: skip


@pytest.mark.parametrize("images", REFUSED)
def test_what_nobody_could_learn_from_rightly_is_refused_and_nothing_is_published(
    images: str, tmp_path: Path
) -> None:
    path = tmp_path / original_path("train")
    path.parent.mkdir()
    path.write_bytes(document(lambda made: made.update(images=REFUSED[images][0])))
    with pytest.raises(AnnotationError) as caught:
        remap(tmp_path, ("train",))
    assert REFUSED[images][1] in str(caught.value) and str(path) in str(caught.value)
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [path.name]


def test_names_that_differ_in_case_are_two_images_where_the_disk_knows_no_one_file(tmp_path: Path) -> None:
    path = tmp_path / original_path("train")
    path.parent.mkdir()
    other = FIRST | {"id": 5, "file_name": "000000000001.JPG"}
    path.write_bytes(document(lambda made: made["images"].append(other)))
    (counts,) = remap(tmp_path, ("train",))
    assert counts.images_kept == 4 and (tmp_path / remapped_path("train")).is_file()
