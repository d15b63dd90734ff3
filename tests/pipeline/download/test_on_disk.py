"""``--have DIR``: archives that are on the disk already are proven and taken over, the others are fetched; DIR stays as it is."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from pipeline.__main__ import main
from pipeline.data_root import on_disk as places
from pipeline.download import __main__ as download_command
from pipeline.download import on_disk
from tests.printed import ODD
from tools.demo import mirror

TRAIN, VAL, BOTH = "zips/train2017.zip", "zips/val2017.zip", "annotations/annotations_trainval2017.zip"
ALL = (TRAIN, VAL, BOTH)
NO_SERVER = "http://127.0.0.1:9"


def state(folder: Path) -> dict[str, Any]:
    """Of each entry below: inode, time, mode, and its bytes or where it leads; a second name changes none of them."""
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        content = (
            path.readlink()
            if path.is_symlink()
            else path.read_bytes()
            if stat.S_ISREG(facts.st_mode)
            else b""
        )
        found[str(path)] = (facts.st_ino, facts.st_mtime_ns, facts.st_mode, content)
    return found


@pytest.fixture
def have(miniature_release: Path, tmp_path: Path) -> Path:
    """The release's folder, as a server has it, in an odd place."""
    return Path(shutil.copytree(miniature_release, tmp_path / ODD / "have"))


@pytest.fixture
def words(miniature_release: Path, tmp_path: Path, have: Path) -> list[str]:
    table = str(miniature_release / "release.json")
    return ["--root", str(tmp_path / ODD / "root"), "--release", table, "--have", str(have), "--mirror"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / ODD / "root"


def archives(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root / "archives")) for path in (root / "archives").rglob("*.*"))


@pytest.mark.parametrize("layout", ["as a server", "flat", "annotations apart", "a data root", "links"])
def test_all_stages_run_on_archives_of_this_disk_without_a_server(
    layout: str, have: Path, words: list[str], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if layout == "flat":
        for path in ALL:
            (have / path).rename(have / Path(path).name)
    elif layout == "annotations apart":
        (have / TRAIN).rename(have / "train2017.zip")
    elif layout == "a data root":
        shutil.copytree(have / "zips", have / "archives/zips")
        shutil.copytree(have / "annotations", have / "archives/annotations")
        shutil.rmtree(have / "zips")
        shutil.rmtree(have / "annotations")
    elif layout == "links":
        (have / "loop").symlink_to(have)
        (have / "zips/inner").symlink_to(have / "zips")
        (have / TRAIN).rename(have.parent / "elsewhere.zip")
        (have / TRAIN).symlink_to(have.parent / "elsewhere.zip")
    before = state(have)
    first = ["run"] if layout == "as a server" else ["run", "--until", "extract"]
    assert main([*first, *words, NO_SERVER, "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert said.count("a second name of ") == 3 and "nothing is left to fetch" in said
    assert state(have) == before
    assert archives(root) == sorted(ALL) and not any((root / "archives" / path).is_symlink() for path in ALL)
    shutil.rmtree(have)
    assert main(["run", "--root", str(root), "--until", "extract"]) == 0
    assert main(["verify", "--deep", "--root", str(root)]) == (0 if layout == "as a server" else 1)
    assert "running" not in capsys.readouterr().out, "nothing of it is needed again"


def test_what_is_missing_is_said_with_its_bytes_and_fetched(
    have: Path, words: list[str], root: Path, miniature_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (have / VAL).unlink()
    with mirror(miniature_release) as url:
        assert download_command.main([*words, url]) == 0
    said = capsys.readouterr().out
    missing = next(line for line in said.splitlines() if line.startswith("still to fetch"))
    assert VAL in missing and TRAIN not in missing and "kB" in missing
    assert said.index(missing) < said.index("fetched zips/val2017.zip") and said.count("a second name") == 2
    assert archives(root) == sorted(ALL)


@pytest.mark.parametrize("wrong", ["size", "digest", "folder", "loop", "pipe"])
def test_a_wrong_one_is_named_left_alone_and_fetched(
    wrong: str, have: Path, words: list[str], root: Path, miniature_release: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = have / VAL
    right = path.read_bytes()
    path.unlink()
    if wrong == "folder":
        path.mkdir()
    elif wrong == "loop":
        path.symlink_to(path)
    elif wrong == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(right[:-1] + (b"" if wrong == "size" else b"\xff"))
    before = state(have)
    with mirror(miniature_release) as url:
        assert download_command.main([*words, url]) == 0
    said = capsys.readouterr().out
    why = {"size": "bytes, zips/val2017.zip of the release", "digest": "SHA-256 is not that of"}
    left = next(line for line in said.splitlines() if "is left alone" in line)
    assert str(path) in left and why.get(wrong, "no regular file") in left
    assert (root / "archives" / VAL).read_bytes() == right and state(have) == before
    assert archives(root) == sorted(ALL), "and nothing half-done"


def test_archives_of_ones_own_are_told_their_option(
    have: Path, words: list[str], miniature_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ALL:
        (have / name).write_bytes(b"mine")
    with mirror(miniature_release) as url:
        assert download_command.main([*words, url]) == 0
    assert (
        "\nno archive there is of this release; for archives of your own: --release FILE"
        in capsys.readouterr().out
    )


def test_the_right_one_of_two_is_found(
    have: Path, words: list[str], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(have / VAL, have / "val2017.zip")
    (have / VAL).write_bytes(b"another")
    assert download_command.main([*words, NO_SERVER]) == 0
    said = capsys.readouterr().out
    assert said.count("is left alone") == 1 and "--release" not in said


@pytest.mark.parametrize("how", ["bytes", "blocks"])
def test_another_disk_gets_a_copy(
    how: str, have: Path, words: list[str], root: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def another_disk(*_: Any, **__: Any) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    def clone(made: int, request: int, given: int) -> int:
        """What FICLONE does, on a disk that cannot."""
        assert request == 0x40049409
        os.write(made, Path(f"/proc/self/fd/{given}").read_bytes())
        return 0

    monkeypatch.setattr(os, "link", another_disk)
    if how == "blocks":
        monkeypatch.setattr(places.fcntl, "ioctl", clone)
    for folder in (have, have / "zips", have / "annotations"):
        folder.chmod(0o555)
    before = state(have)
    try:
        assert download_command.main([*words, NO_SERVER]) == 0
    finally:
        for folder in (have, have / "zips", have / "annotations"):
            folder.chmod(0o755)
    said = capsys.readouterr().out
    assert said.count(": a copy that shares" if how == "blocks" else ": a copy of ") == 3
    for path in ALL:
        assert (root / "archives" / path).read_bytes() == (have / path).read_bytes()
        assert not (root / "archives" / path).samefile(have / path)
        assert (root / "archives" / path).stat().st_mode & 0o200, "ours to remove"
    before.pop(str(have / "zips")), before.pop(str(have / "annotations"))
    assert before.items() <= state(have).items()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_fetched(
    have: Path, words: list[str], miniature_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (have / VAL).chmod(0)
    with mirror(miniature_release) as url:
        assert download_command.main([*words, url]) == 0
    assert "it cannot be taken over (permission denied)" in capsys.readouterr().out.lower()


def test_a_file_that_fails_while_it_is_read_is_named_and_fetched(
    have: Path, words: list[str], root: Path, miniature_release: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    digest = on_disk.sha256_of

    def fails(path: Path, tick: Any) -> str:
        if path.name.endswith("val2017.zip"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return digest(path, tick)

    monkeypatch.setattr(on_disk, "sha256_of", fails)
    with mirror(miniature_release) as url:
        assert download_command.main([*words, url]) == 0
    said = capsys.readouterr().out
    assert said.count("it cannot be taken over") == 2, "of the two whose name ends so"
    assert archives(root) == sorted(ALL)


def test_no_room_for_a_copy_is_said_before_it_is_begun(
    have: Path, words: list[str], root: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from types import SimpleNamespace

    from pipeline import space

    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EXDEV, "")))
    monkeypatch.setattr(space.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    assert download_command.main([*words, NO_SERVER]) == 1
    assert "are needed for a copy" in capsys.readouterr().err and not archives(root)


def test_stopped_and_run_again_it_resumes(
    have: Path, words: list[str], root: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    digest, calls = on_disk.sha256_of, []

    def interrupts(path: Path, tick: Any) -> str:
        calls.append(path)
        if len(calls) == 2:
            os.kill(os.getpid(), 2)
        return digest(path, tick)

    monkeypatch.setattr(on_disk, "sha256_of", interrupts)
    assert download_command.main([*words, NO_SERVER]) == 130
    assert len(archives(root)) == 1, "the first one has its name, the second is not half there"
    assert download_command.main([*words, NO_SERVER]) == 0
    assert len(calls) == 4 and archives(root) == sorted(ALL)


def test_what_was_taken_over_is_ours_to_remove_and_theirs_stays(
    have: Path, words: list[str], root: Path
) -> None:
    before = state(have)
    assert main(["run", *words, NO_SERVER, "--workers", "1", "--until", "extract", "--no-keep-archives"]) == 0
    assert not archives(root) and (root / "train2017").is_dir() and state(have) == before


def test_a_part_that_was_being_fetched_goes_and_one_of_another_program_stays(
    have: Path, words: list[str], root: Path
) -> None:
    for path, record in ((VAL, True), (TRAIN, False)):
        part = root / "archives" / f"{path}.part"
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(b"half")
        if record:
            part.with_name(part.name + ".jsonl").write_bytes(b"{}\n")
    assert download_command.main([*words, NO_SERVER]) == 0
    assert archives(root) == sorted([*ALL, f"{TRAIN}.part"])


def test_not_for_a_file_of_ones_own(have: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        download_command.main(
            ["--url", NO_SERVER, "--sha256", "0" * 64, "--output", "x", "--have", str(have)]
        )
    assert left.value.code == 2 and "--have" in capsys.readouterr().err
