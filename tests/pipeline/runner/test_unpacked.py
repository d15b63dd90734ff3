"""``--have DIR`` where DIR has images and annotations unpacked: used as they are, checked as any, and nothing is fetched."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.__main__ import main
from pipeline.data_root import on_disk
from pipeline.data_root.saved_options import read
from tests.printed import ODD

NO_SERVER = "http://127.0.0.1:9"


@pytest.fixture
def have(miniature_root: Path, tmp_path: Path) -> Path:
    folder = tmp_path / ODD / "have"
    for split in ("train", "val"):
        shutil.copytree(miniature_root / f"{split}2017", folder / f"{split}2017")
        name = f"annotations/instances_{split}2017.json"
        (folder / "annotations").mkdir(exist_ok=True)
        shutil.copy(miniature_root / name, folder / name)
    return folder


@pytest.fixture
def words(miniature_release: Path, tmp_path: Path, have: Path) -> list[str]:
    table = str(miniature_release / "release.json")
    return ["run", "--workers", "1", "--root", str(tmp_path / ODD / "root"), "--release", table, "--have",
            str(have), "--mirror", NO_SERVER]  # fmt: skip


def state(folder: Path) -> dict[str, Any]:
    return {
        str(path): (path.stat().st_ino, path.stat().st_mtime_ns, path.is_file() and path.read_bytes())
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("layout", ["beside each other", "images", "another disk"])
def test_all_stages_run_and_nothing_is_fetched_or_changed(
    layout: str, have: Path, words: list[str], tmp_path: Path, miniature_root: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if layout == "images":
        (have / "images").mkdir()
        for split in ("train2017", "val2017"):
            (have / split).rename(have / "images" / split)
    if layout == "another disk":
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EXDEV, "")))
    before, root = state(have), tmp_path / ODD / "root"
    more = [] if layout == "beside each other" else ["--until", "validate_images"]
    assert main([*words, *more]) == 0
    said = capsys.readouterr().out
    assert f"16 files by a {'copy' if layout == 'another disk' else 'second name'}" in said
    assert "nothing is left to fetch" in said and read(root).own and state(have) == before
    assert not (root / ".pipeline/staging/have").exists()
    shutil.rmtree(have)
    assert main(["run", "--root", str(root), "--until", "validate_images"]) == 0
    assert "running" not in capsys.readouterr().out
    if not more:
        labels = "annotations/labels.txt"
        assert (root / labels).read_bytes() == (miniature_root / labels).read_bytes()


def test_a_damaged_image_is_refused_by_the_check(have: Path, words: list[str], tmp_path: Path) -> None:
    victim = next((have / "train2017").iterdir())
    victim.write_bytes(victim.read_bytes()[:-200])
    assert main([*words, "--until", "validate_images"]) == 0
    assert victim.name in (tmp_path / ODD / "root/rejects.jsonl").read_text()


def test_half_of_it_is_named_and_the_archives_are_asked_for(
    have: Path, words: list[str], miniature_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(have / "val2017")
    shutil.copytree(miniature_release / "zips", have / "zips")
    shutil.copy(next((miniature_release / "annotations").glob("*.zip")), have / "zips")
    assert main([*words, "--until", "extract"]) == 0
    said = capsys.readouterr().out
    assert "train2017 is unpacked and not used" in said and said.count("a second name of") == 3


def test_stopped_and_run_again_it_resumes(
    have: Path, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, calls = on_disk.placed, []

    def interrupts(*given: Any) -> tuple[str, str]:
        calls.append(given)
        if len(calls) == 20:  # train has its names
            os.kill(os.getpid(), 2)
        return placed(*given)

    monkeypatch.setattr(on_disk, "placed", interrupts)
    root = tmp_path / ODD / "root"
    assert main([*words, "--until", "validate_images"]) == 130
    assert (root / "train2017").is_dir() and not (root / "val2017").exists()
    assert main([*words, "--until", "validate_images"]) == 0 and len(calls) < 32


def test_copies_resume_image_by_image(
    have: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    placed, calls = on_disk.placed, []

    def interrupts(*given: Any) -> tuple[str, str]:
        calls.append(given)
        if len(calls) == 5:
            os.kill(os.getpid(), 2)
        return placed(*given)

    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EXDEV, "")))
    monkeypatch.setattr(on_disk, "placed", interrupts)
    assert main([*words, "--until", "extract"]) == 130
    assert main([*words, "--until", "extract"]) == 0
    assert "by an earlier run" in capsys.readouterr().out and len(calls) < 5 + 16 + 8 + 2


def test_what_is_in_the_root_already_stays(
    have: Path, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / ODD / "root/train2017/mine.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    assert main(words) == 1
    assert "not made by the pipeline" in capsys.readouterr().err
    assert list(mine.parent.iterdir()) == [mine] and mine.read_bytes() == b"mine"


@pytest.mark.parametrize("of_a_stopped_run", [False, True])
def test_a_link_to_what_is_not_there_now_stays(
    of_a_stopped_run: bool, have: Path, words: list[str], tmp_path: Path
) -> None:
    """Its disk may not be mounted."""
    root = tmp_path / ODD / "root"
    mine = root / "annotations/instances_train2017.json"
    mine.parent.mkdir(parents=True)
    mine.symlink_to(tmp_path / "not-mounted/mine.json")
    if of_a_stopped_run:
        (root / ".pipeline/staging/have").mkdir(parents=True)
    assert main(words) == 1
    assert mine.readlink() == tmp_path / "not-mounted/mine.json"
