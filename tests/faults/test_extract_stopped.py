"""Asked to stop, it stops: in the middle of a large member, of a check, of a directory; and it reads no foreign folder."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import plain_paths
from pipeline.archives import unpack as unpacking
from pipeline.archives.archive import open_archive, plan
from pipeline.archives.unpack import link_foreign_files, unpack_all, verified_files
from pipeline.data_root import manifests as trees
from pipeline.extract.__main__ import main
from pipeline.extract.own_archive import extract_file
from pipeline.stage import Interrupted
from pipeline.stop import Stop

CHUNKS = 8


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """One packed member of several chunks."""
    with zipfile.ZipFile(tmp_path / "large.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("large.bin", os.urandom(1 << 16) * (CHUNKS << 4))
    return tmp_path / "large.zip"


def after(calls: int) -> Stop:
    """Says yes from this call on; an answer that was not listened to is a failure."""
    left = [calls]

    def asked() -> bool:
        left[0] -= 1
        assert left[0] >= -3, "it went on although it was told to stop"
        return left[0] < 0

    return Stop(asked)


def test_in_the_middle_of_a_member(large: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with open_archive(large) as archive, pytest.raises(Interrupted):
        unpack_all(archive, plan(archive), tmp_path / "out", 1, after(4))
    assert list((tmp_path / "out").iterdir()) == [], "nothing can go on from half a member"


def test_in_the_middle_of_a_check(large: Path, tmp_path: Path) -> None:
    with open_archive(large) as archive:
        members = plan(archive)
        unpack_all(archive, members, tmp_path, 1, Stop())
        with pytest.raises(Interrupted):
            unpack_all(archive, members, tmp_path, 1, after(4))
        with pytest.raises(Interrupted):
            verified_files(tmp_path, {member.name: member for member in members}, {}, after(4))


@pytest.mark.parametrize("calls", range(5))
def test_while_the_directory_is_read_and_looked_at(
    large: Path, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked again and again: while it is read, while names are made alike, compared twice, while places are compared."""
    monkeypatch.setattr(plain_paths, "CHECKED_EVERY", 1)
    with open_archive(large) as archive, pytest.raises(Interrupted):
        plan(archive, after(calls))


def test_while_what_stands_beside_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file system has no second names, and its owner has put a large file beside the images."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no second names here")

    monkeypatch.setattr(unpacking.os, "link", refuse)
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    with (tmp_path / "old/own.bin").open("wb") as file:
        file.truncate(CHUNKS << 20)
    with pytest.raises(Interrupted):
        link_foreign_files(tmp_path / "old", tmp_path / "new", (), (), after(4))
    link_foreign_files(tmp_path / "old", tmp_path / "new", ())
    assert (tmp_path / "new/own.bin").stat().st_size == CHUNKS << 20


def test_a_foreign_folder_is_refused_without_being_read(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read: list[object] = []
    monkeypatch.setattr(trees, "crc32_of", lambda path, *_: read.append(path) or 0)
    output = tmp_path / "made"
    output.mkdir()
    for name in ("large.bin", "other.bin"):
        with (output / name).open("wb") as file:
            file.truncate(CHUNKS << 20)
        assert main(["--archive", str(large), "--output", str(output)]) == 1
        assert "holds other files" in capsys.readouterr().err
        assert bool(read) == (name == "large.bin"), (
            "of the right name and size it is read, in strange company it is not"
        )
        read.clear()


def test_a_check_of_a_folder_of_ones_own_is_stopped(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The signal comes while its files are read: the exit code is that of the signal, and the folder stays."""
    output = tmp_path / "made"
    assert extract_file(large, output, 1) == 0
    crc = trees.crc32_of

    def signalled(path: Path, tick: Callable[[int], None]) -> int:
        os.kill(os.getpid(), 15)
        return crc(path, tick)

    monkeypatch.setattr(trees, "crc32_of", signalled)
    assert extract_file(large, output, 1) == 143
    assert "run the same command to resume" in capsys.readouterr().err
    assert (output / "large.bin").stat().st_size == CHUNKS << 20
