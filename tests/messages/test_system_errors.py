"""What the system refuses is said in three lines for people."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from urllib.error import URLError

import pytest

from vision.messages import system_errors
from vision.messages.system_errors import (
    in_words,
    instead_of,
    nearest_path,
    reason,
    said_of,
    said_of_no_thread,
)


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_error_is_three_lines_without_a_number(number: int) -> None:
    for name in ("/some/file", None, b"/some/file", 3):
        lines = said_of(OSError(number, os.strerror(number), name)).splitlines()
        assert len(lines) == 3
        assert lines[1].startswith("  why: ")
        assert lines[2].startswith("  fix: ")
        assert "[Errno" not in "".join(lines)


def test_what_is_on_the_way_to_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine")
    for below in ("images.jsonl", "a/b/c"):
        with pytest.raises(NotADirectoryError) as caught:
            (tmp_path / "report" / below).write_text("x")
        what, why, fix = said_of(caught.value).splitlines()
        assert what == f"{tmp_path / 'report'} is a file, not a folder" and "move it elsewhere" in fix
        assert why == f"  why: {tmp_path / 'report' / below} would be inside it"


@pytest.mark.parametrize("wanted", ["file", "folder"])
def test_what_is_there_instead_is_named(tmp_path: Path, wanted: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("none")
    os.mkfifo(tmp_path / "pipe")
    for name, said in (
        ("x\ny", f"there is no {wanted} {tmp_path}/x\\ny"), ("pipe", f"{tmp_path}/pipe is a pipe, not a {wanted}"),
        ("link", f"{tmp_path}/link is a link to nothing"), ("file/x", f"there is no {wanted} {tmp_path}/file/x"),
        ("a" * 300, f"{tmp_path}/{'a' * 300}: file name too long"),
    ):  # fmt: skip
        assert instead_of(wanted, tmp_path / name) == said
    assert instead_of("folder", tmp_path / "file") == f"{tmp_path}/file is a file, not a folder"
    assert instead_of("file", tmp_path) == f"{tmp_path} is a folder, not a file"


def test_what_was_probably_meant_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("models/street", "models/run1", "coco-data", ".hidden"):
        Path(place).mkdir(parents=True)
    Path("models/street/net.pth").touch()
    for typed, meant in (
        ("model/street", "models/street"), ("./modles//steet/nett.pth", "models/street/net.pth"),
        (tmp_path / "cocodata", tmp_path / "coco-data"), ("coco-data", "coco-data"), ("..", ".."), ("", "."),
        ("models/run2", None), ("hidden", None), ("models/street/net.pth/x", None), ("nothing/like it", None),
        ("a\0b", None),
    ):  # fmt: skip
        assert nearest_path(Path(typed)) == (None if meant is None else Path(meant)), typed
    assert instead_of("folder", Path("model")) == "there is no folder model: did you mean 'models'?"
    assert instead_of("file", Path("model")) == "there is no file model"
    with pytest.raises(FileNotFoundError) as caught:
        Path("models/street/net.pt").read_bytes()
    assert said_of(caught.value).endswith("check the path: did you mean 'models/street/net.pth'?")
    with pytest.raises(FileNotFoundError) as caught:
        Path("net/else").read_bytes()
    assert said_of(caught.value).endswith("check the path")


def test_a_name_with_line_breaks_stays_in_its_line() -> None:
    assert len(said_of(FileNotFoundError(errno.ENOENT, "No such file", "a\nb\udcff")).splitlines()) == 3


def test_an_error_without_a_number_is_said_in_its_own_words() -> None:
    assert "cannot seek" in said_of(OSError("cannot seek"))
    assert reason(OSError("cannot seek")) == "cannot seek"


def test_a_reason_has_neither_number_nor_path() -> None:
    assert reason(PermissionError(errno.EACCES, "Permission denied", "/x/y")) == "permission denied"


def test_three_lines_that_an_error_brings_are_kept() -> None:
    own = "x is in the way\n  why: it is a pipe\n  fix: name a file"
    assert said_of(OSError(errno.EEXIST, own, "x")) == own


def test_a_full_disk_a_device_a_quota_and_used_up_inodes_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first(number: int, path: Path) -> str:
        return said_of(OSError(number, os.strerror(number), str(path))).splitlines()[0]

    assert first(errno.ENOSPC, tmp_path / "file") == "the disk is full"
    assert first(errno.ENOSPC, Path("/dev/full")) == "/dev/full takes nothing"
    assert first(errno.EDQUOT, tmp_path / "file") == f"the quota is used up: {tmp_path / 'file'}"
    monkeypatch.setattr(system_errors, "out_of_names", lambda path: True)
    assert first(errno.ENOSPC, tmp_path / "file").startswith("the file system has no room for another file")


def test_inodes_are_looked_for_where_the_file_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def statvfs(path: os.PathLike[str]) -> os.statvfs_result:
        asked.append(str(path))
        if not Path(path).exists():
            raise FileNotFoundError(errno.ENOENT, "No such file", str(path))
        return os.statvfs_result((4096, 4096, 100, 50, 50, 1000, 0, 0, 0, 255))

    monkeypatch.setattr(os, "statvfs", statvfs)
    assert system_errors.out_of_names(tmp_path / "not" / "there")
    assert asked[-1] == str(tmp_path)


def test_a_file_system_that_counts_no_inodes_is_not_out_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((4096, 4096, 9, 9, 9, 0, 0, 0, 0, 255)))
    assert not system_errors.out_of_names(tmp_path)


def test_no_more_threads_is_three_lines() -> None:
    assert len(said_of_no_thread().splitlines()) == 3


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOENT, "No such file", "/a b"), "/a b: no such file or directory"),
        (OSError(errno.EIO, "x"), "input/output error"),
        (URLError(socket.gaierror(-2, "Name or service not known")), "Name or service not known"),
        (URLError(OSError(errno.ECONNREFUSED, "Connection refused")), "connection refused"),
        (ValueError("odd"), "odd"),
        (KeyError("a"), "the key 'a' is missing"),
        (EOFError(), "EOFError"),
    ],
)
def test_inside_a_message_there_is_no_number_of_the_system(error: Exception, words: str) -> None:
    assert in_words(error) == words
