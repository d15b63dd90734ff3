"""A folder that is only read: where its archives are looked for, and that nothing is written into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.data_root.on_disk import places
from pipeline.release import ReleaseFile
from tests.printed import ODD

FILE = ReleaseFile("zips/val[1].zip", 5, "0" * 64)


def test_each_file_is_found_once_and_not_deeper_than_two_folders(tmp_path: Path) -> None:
    wanted = [tmp_path / each for each in ("zips/val[1].zip", "val[1].zip", "a/val[1].zip", "a/b/val[1].zip")]
    for path in [*wanted, tmp_path / "a/b/c/val[1].zip", tmp_path / "a/val1.zip"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"bytes")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "a/again").symlink_to(tmp_path / "a")
    assert places(tmp_path, FILE) == wanted


@pytest.mark.parametrize(
    ("have", "root", "said"),
    [
        ("have", "have/root", "have/root is inside"),
        ("root/have", "root", "root/have is inside"),
        ("have", "have", "are one folder"),
        ("link", "have/root", "have/root is inside"),
        ("have", "link/root", "link/root is inside"),
        ("link", "have", "are one folder"),
        ("have", "linked", "linked/archives is inside"),
    ],
)
def test_one_inside_the_other_is_refused_before_anything_is_made(
    have: str, root: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / ODD
    (place / "have").mkdir(parents=True)
    (place / have).mkdir(parents=True, exist_ok=True) if have != "link" else None
    (place / "link").symlink_to(place / "have")
    (place / "linked").mkdir()
    (place / "linked/archives").symlink_to(place / "have")
    before = sorted(place.rglob("*"))
    assert main(["run", "--root", str(place / root), "--have", str(place / have)]) == 1
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 3
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize("kind", ["nothing", "file"])
def test_a_folder_has_to_be_there(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    have = tmp_path / "have"
    have.write_bytes(b"") if kind == "file" else None
    assert main(["run", "--root", str(tmp_path / "root"), "--have", str(have)]) == 1
    error = capsys.readouterr().err
    assert str(have) in error and len(error.splitlines()) == 3 and not (tmp_path / "root").exists()


def test_a_folder_with_nothing_of_the_release_is_refused_before_anything_is_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_bytes(b"mine")
    assert main(["run", "--root", str(tmp_path / "root"), "--have", str(tmp_path / "photos")]) == 1
    said = capsys.readouterr().err
    assert "photos: nothing of the release is in it\n  why: looked for train2017.zip" in said
    assert not (tmp_path / "root").exists()
