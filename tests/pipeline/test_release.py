"""A table of files that nobody vouches for: paths that leave the folder, are no paths, or meet are refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.release import COCO_2017, Release, read_release
from pipeline.stop import StageError
from tests.pipeline.archive_corpus import MEET


def table(folder: Path, *paths: str) -> Path:
    files = [{"path": path, "bytes": 1, "sha256": "0" * 64} for path in paths]
    path = folder / "release.json"
    path.write_text(json.dumps({"name": "own", "files": files}))
    return path


BAD = {name: names for name, names in MEET.items() if not any(path.endswith("/") for path in names)} | {
    "//": ("zips//val2017.zip",), "./": ("./zips/val2017.zip",), "twice": ("a", "a"), "a folder": ("zips/",),
    "control": ("zips/a\nb",), "long": ("a" * 251,), "absolute": ("/a",), "up": ("../a",), "backslash": ("a\\b",),
    "while it is fetched": ("a.zip", "a.zip.part"), "its record": ("a.zip", "A.ZIP.part.jsonl"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_paths_that_cannot_all_be_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StageError, match=r"is not a release table\n  why: .*path '"):
        read_release(table(tmp_path, *BAD[name]))


@pytest.mark.parametrize(
    "path", ["http://u:S3CR3T@h/train2017.zip", "//u:S3'CR3T@h/x", "http://u:S3'CR3T@h/x?k=S3CR3T"]
)
def test_a_login_in_a_table_is_not_shown(tmp_path: Path, path: str) -> None:
    with pytest.raises(StageError, match="is not a release table") as caught:
        read_release(table(tmp_path, path))
    assert "CR3T" not in str(caught.value) and "***" in str(caught.value)


def test_good_ones_are_read(tmp_path: Path) -> None:
    paths = ("zips/val2017.zip", "zips/val2017.zips", "zips-2/val2017.zip", "b\u00fcro/x.zip")
    assert [file.path for file in read_release(table(tmp_path, *paths)).files] == list(paths)
    assert Release(COCO_2017.name, COCO_2017.files) == COCO_2017


@pytest.mark.parametrize(("splits", "fix"), [
    (("train", "val"), "choose another --release, or leave the split out: --splits val"),
    (("train",), "choose another --release"),
])  # fmt: skip
def test_a_release_that_lacks_a_split_says_what_is_left(
    tmp_path: Path, splits: tuple[str, ...], fix: str
) -> None:
    with pytest.raises(StageError, match="has no images of train") as caught:
        read_release(table(tmp_path, "zips/val2017.zip", "annotations/a.zip")).needed(splits)
    assert str(caught.value).endswith(f"fix: {fix}")
