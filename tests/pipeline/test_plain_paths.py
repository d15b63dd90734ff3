"""Paths that are refused, and paths that meet: against the plain way of comparing each with each."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.plain_paths import clash, folded, path_fault
from tests.pipeline.archive_corpus import MEET


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("", "absolute or empty"), ("/", "absolute or empty"), ("/a", "absolute"), ("//a/b", "absolute"), ("C:/a", "absolute"),
        ("a//b", "empty name"), ("a//", "empty name"), ("a/b//c", "empty name"), ("./a", "leaves"), ("a/./b", "leaves"),
        ("a/..", "leaves"), ("../a", "leaves"), ("a/../b/", "leaves"), (".", "leaves"), ("..", "leaves"), ("./", "leaves"),
        ("a\\b", "backslash"), ("a\0", "NUL"), ("a\n", "control"), ("\x85", "control"), ("\u2029", "control"),
        ("a\udcff", "control"), ("a" * 251, "name longer"), ("\u00e9" * 126, "name longer"), ("a/" * 600, "path longer"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_path_is_said(path: str, fault: str) -> None:
    assert fault in (path_fault(path) or "")


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "a/",
        "a.b/c-d_e",
        "...",
        "a..b",
        ".hidden/x",
        " a",
        "a b",
        "\u65e5\u672c/\u00e9",
        "a" * 250,
        "\U0001f600",
    ],
)
def test_nothing_is_wrong_with_others(path: str) -> None:
    assert path_fault(path) is None


@pytest.mark.parametrize(
    "name", [name for name in MEET if len(MEET[name]) > 1 and not name.startswith(("/", "./"))]
)
def test_paths_that_meet(name: str) -> None:
    assert clash(MEET[name]) is not None and clash(MEET[name][::-1]) is not None


names = st.sampled_from(
    ["a", "A", "b", "a-b", "a.part", "a.PART", "\u00e9", "e\u0301", "\u00c9", "\u00df", "ss", "a.", "ab"]
)
paths = st.builds(
    lambda parts, end: "/".join(parts) + end,
    st.lists(names, min_size=1, max_size=3),
    st.sampled_from(["", "", "/"]),
)


@settings(max_examples=500)
@given(st.lists(paths, max_size=7))
def test_it_finds_what_comparing_each_with_each_finds(listed: list[str]) -> None:
    found = clash(listed)
    assert (found is not None) == any(
        meet(one, other) for at, one in enumerate(listed) for other in listed[at + 1 :]
    )
    if found is not None:
        assert meet(listed[found.first], listed[found.second])


def meet(one: str, other: str) -> bool:
    """The same, one inside the other that is a file, or one the other's name while it is written."""
    keys = [PurePosixPath(*(plain(part) for part in path.rstrip("/").split("/"))) for path in (one, other)]
    if keys[0] == keys[1]:
        return True
    for key, path, below in ((keys[0], one, keys[1]), (keys[1], other, keys[0])):
        if not path.endswith("/") and key in below.parents:
            return True
        if below == key.with_name(key.name + ".part"):
            return True
    return False


def plain(part: str) -> str:
    folding = unicodedata.normalize("NFD", unicodedata.normalize("NFD", part).casefold())
    return folding.rstrip(". ") or folding


def test_what_is_added_to_a_name_counts_as_that_name() -> None:
    found = clash(["z/a.zip", "z/A.zip.part.jsonl"], endings=(".part", ".part.jsonl"))
    assert found is not None and (found.first, found.second) == (1, 0)
    assert clash(["z/a.zip", "z/a.zip.part.jsonl"]) is None


def test_being_asked_to_stop() -> None:
    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    with pytest.raises(Stop):
        clash(["a"], stop)
    assert folded("A/B/") == "a/b"
