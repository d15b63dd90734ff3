"""Two image ids of one file are found, also where only the file system knows that the names are one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.image_names import ImageNames

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
