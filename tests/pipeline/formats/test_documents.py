"""Files that nobody vouches for: pipes and folders are never waited for, numbers have a point."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.formats import contract, documents
from pipeline.formats.documents import Unreadable, number, read_bytes, read_text, side


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("pipe", "not_a_file"),
        ("folder", "not_a_file"),
        ("nothing", "missing_file"),
        ("link to itself", "unreadable"),
        ("large", "too_many_bytes"),
    ],
)
def test_what_is_no_file(kind: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "large":
        path.write_bytes(b"x" * 11)
    elif kind != "nothing":
        path.symlink_to(path)
    with pytest.raises(Unreadable) as error:
        read_bytes(path, 10)
    assert error.value.reason == reason


@pytest.mark.parametrize("text", ["1", "-1.5", "+.5", "2.", "1e3", " 7 "])
def test_numbers(text: str) -> None:
    assert number(text, "x") == float(text)


@pytest.mark.parametrize(
    "text", ["", None, "1,5", "1_000", "nan", "inf", "0x10", "1e999", "１", "1 2", "--1"]
)
def test_what_is_no_number(text: str | None) -> None:
    with pytest.raises(Unreadable, match="bad_number"):
        number(text, "x")
    assert side(text) is None


def test_line_ends_and_marks(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeffa\r\nb\rc\n".encode())
    assert read_text(tmp_path / "a") == "a\nb\nc\n"
    assert documents.lines_of(tmp_path / "a") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "split"),
    [("instances_train2017", "train"), ("valid", "val"), ("Validation", "val"), ("test-dev2017", "test"), ("train_val", None), ("training", "train"), ("constraint", None), ("", None)],
)  # fmt: skip
def test_splits_by_name(name: str, split: str | None) -> None:
    assert contract.split_of(name) == split
