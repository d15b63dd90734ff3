"""A folder of images that is made again keeps what else its owner has put there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.archives import unpack as unpacking
from pipeline.archives.unpack import link_foreign_files
from pipeline.stage import StageError


def put_own_things(folder: Path, outside: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    (folder / "more/deep").mkdir(parents=True)
    (folder / "more/deep/file").write_text("deep")
    outside.write_text("outside")
    (folder / "link").symlink_to(outside)
    (folder / "dangling").symlink_to(outside.with_name("nowhere"))
    os.mkfifo(folder / "pipe")


def assert_own_things(folder: Path, outside: Path) -> None:
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "more/deep/file").read_text() == "deep"
    assert (folder / "link").readlink() == outside and outside.read_text() == "outside"
    assert (folder / "dangling").is_symlink() and (folder / "pipe").is_fifo()


@pytest.mark.parametrize("damage", [False, True])
def test_what_the_owner_put_beside_the_images_stays(
    own_root: Path, tmp_path: Path, damage: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, outside = own_root / "val2017", tmp_path / "outside"
    image = sorted(folder.iterdir())[0]
    good = image.read_bytes()
    put_own_things(folder, outside)
    if damage:
        image.write_bytes(good[:-9])
    assert main(["run", "--root", str(own_root), "--workers", "1"]) == 0
    assert_own_things(folder, outside)
    assert image.read_bytes() == good
    said = capsys.readouterr().out
    assert ("kept 5 entries that are not from the archive" in said) == damage
    assert main(["verify", "--root", str(own_root)]) == 0
    rows = (own_root / "rejects.jsonl").read_text()
    assert "notes.txt" not in rows and "are not images" in said, "counted apart and said"


@pytest.mark.parametrize("second_names", [True, False])
def test_taking_along_twice_is_taking_along_once(
    tmp_path: Path, second_names: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not second_names:

        def refuse(*_: object, **__: object) -> None:
            raise OSError("no second names here")

        monkeypatch.setattr(unpacking.os, "link", refuse)
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "1.jpg").write_text(folder.name)
    (old / "notes.txt").write_text("mine")
    (old / "more").mkdir()
    (old / "more/file").write_text("deep")
    for _ in range(2):
        assert link_foreign_files(old, new, {"1.jpg"}) == ["more", "notes.txt"]
    assert (new / "1.jpg").read_text() == "new"
    assert (new / "notes.txt").read_text() == "mine" and (new / "more/file").read_text() == "deep"
    assert (old / "notes.txt").read_text() == "mine"


def test_a_folder_in_the_place_of_an_image_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "old/1.jpg").mkdir(parents=True)
    (tmp_path / "new").mkdir()
    with pytest.raises(StageError, match=r"1\.jpg is a folder"):
        link_foreign_files(tmp_path / "old", tmp_path / "new", {"1.jpg"})


def test_there_may_be_nothing_to_take_along(tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(tmp_path)
    assert link_foreign_files(tmp_path / "none", tmp_path, ()) == []
    assert link_foreign_files(tmp_path / "linked", tmp_path, ()) == [], "what a link names stays where it is"
