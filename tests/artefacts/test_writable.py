"""A folder that takes nothing, or not enough, is named before the work; a probe leaves nothing behind."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from vision.artefacts import writable
from vision.artefacts.files import OutOfSpace
from vision.artefacts.writable import free_bytes, require_writable
from vision.messages.system_errors import said_of


def test_it_makes_the_folder_and_leaves_it_empty(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b", 1 << 10)
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_too_little_space_is_three_lines_with_both_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writable, "free_bytes", lambda folder: 1000)
    require_writable(tmp_path, 1000)
    with pytest.raises(OutOfSpace) as caught:
        require_writable(tmp_path, 1001, "for 3 checkpoints")
    what, why, fix = said_of(caught.value).splitlines()
    assert what == f"not enough space in {tmp_path}"
    assert why == "  why: 1,001 bytes are needed for 3 checkpoints, 1,000 are free"
    assert fix.startswith("  fix: free some space")


def test_what_the_system_refuses_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only mount, a quota, a full inode table: the probe meets them all as an OSError."""

    def refuse(path: Path, data: bytes) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OSError, match="Read-only") as caught:
        require_writable(tmp_path, 0)
    assert "mounted read-only" in said_of(caught.value) and str(tmp_path) in said_of(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(OSError, match="x"):
        require_writable(tmp_path / "x", 0)


def test_the_free_bytes_are_those_for_users(tmp_path: Path) -> None:
    facts = os.statvfs(tmp_path)
    assert 0 <= free_bytes(tmp_path) <= facts.f_blocks * facts.f_frsize
