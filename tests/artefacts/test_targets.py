"""Only an older one of its kind gives way to what is published; every other thing stays, and is named before the work."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from vision.artefacts import log
from vision.artefacts.files import atomic_publish, publish_bytes, publish_tree
from vision.artefacts.records import RecordError
from vision.artefacts.targets import NotReplaced, require_file_place, require_folder_place


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket may have a hundred letters
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


def _device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("devices can only be made by root")


def _link_to_file(path: Path) -> None:
    path.with_name("elsewhere").write_bytes(b"its owner's")
    path.symlink_to("elsewhere")


def _link_to_folder(path: Path) -> None:
    path.with_name("elsewhere").mkdir()
    path.symlink_to("elsewhere")


MAKE: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a socket": _socket,
    "a device": _device,
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to elsewhere": _link_to_file,
    "a link to elsewhere (folder)": _link_to_folder,
    "a link to /dev/null": lambda path: path.symlink_to("/dev/null"),
    "a link to \\x1b[31m": lambda path: path.symlink_to("\x1b[31m"),
}


def facts(folder: Path) -> list[tuple[str, int, int]]:
    return sorted((p.name, p.lstat().st_mode, p.lstat().st_ino) for p in folder.iterdir())


@pytest.mark.parametrize("kind", [*MAKE, "a folder"])
def test_what_is_no_file_is_neither_replaced_nor_written_to(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "a b$(touch X)"
    MAKE.get(kind, Path.mkdir)(target)
    before = facts(tmp_path)
    begun = []
    with pytest.raises(NotReplaced) as caught, atomic_publish(target) as temporary:
        begun.append(temporary)
    assert not begun, "before the work, not after it"
    said = str(caught.value).splitlines()
    assert f"is {kind.removesuffix(' (folder)')} and is not replaced" in said[0]
    assert len(said) == 3 and said[2].startswith("  fix: ")
    for write in (lambda: log.append(target, {}), lambda: publish_bytes(target, b"x")):
        with pytest.raises(NotReplaced):
            write()
    assert facts(tmp_path) == before
    if kind == "a link to elsewhere":
        assert target.read_bytes() == b"its owner's"


@pytest.mark.parametrize("kind", [*MAKE, "a file"])
def test_a_tree_takes_the_place_of_a_folder_only(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "final"
    MAKE.get(kind, Path.touch)(target)
    before = facts(tmp_path)
    (tmp_path / "staging").mkdir()
    with pytest.raises(NotReplaced, match="is not replaced"):
        publish_tree(tmp_path / "staging", target)
    (tmp_path / "staging").rmdir()
    assert facts(tmp_path) == before


def test_what_comes_while_the_work_is_done_is_not_replaced_either(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with pytest.raises(NotReplaced), atomic_publish(target) as temporary:
        temporary.write_bytes(b"x")
        os.mkfifo(target)
    assert stat.S_ISFIFO(target.lstat().st_mode) and os.listdir(tmp_path) == ["file"]


def test_nothing_a_file_and_a_missing_folder_are_fine(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in ("file", "nothing", "none/file"):
        require_file_place(tmp_path / place)
    (tmp_path / "folder").mkdir()
    for place in ("folder", "nothing", "none/folder"):
        require_folder_place(tmp_path / place)


def test_a_pipe_in_the_place_of_a_log_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with pytest.raises(RecordError, match="not a file"):
        list(log.read(tmp_path / "log"))
