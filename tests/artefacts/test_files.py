"""Publishing: the right name means the right bytes, whatever breaks on the way."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from vision.artefacts import files
from vision.artefacts.files import (
    OutOfSpace,
    atomic_publish,
    facts_of,
    publish_bytes,
    publish_json,
    publish_tree,
    recover_tree,
    remove_stale_temporaries,
)


def test_published_bytes_have_their_facts(tmp_path: Path) -> None:
    facts = publish_bytes(tmp_path / "deep" / "file", b"abc")
    assert facts == facts_of(tmp_path / "deep" / "file")
    assert (facts.bytes, facts.sha256) == (3, hashlib.sha256(b"abc").hexdigest())


def test_an_exception_keeps_the_older_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    publish_bytes(tmp_path / "file", b"old")
    with pytest.raises(KeyError), atomic_publish(tmp_path / "file") as temporary:
        temporary.write_bytes(b"half of the new")
        raise KeyError
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_system_call_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    publish_bytes(tmp_path / "file", b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files.os, call, fail)
    with pytest.raises(OSError, match="Input/output"):
        publish_bytes(tmp_path / "file", b"new")
    monkeypatch.undo()
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_the_order_is_file_then_name_then_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    replace = os.replace
    monkeypatch.setattr(files, "fsync_file", lambda path: calls.append("file"))
    monkeypatch.setattr(files.os, "replace", lambda a, b: (calls.append("name"), replace(a, b)))
    monkeypatch.setattr(files, "fsync_folder", lambda path: calls.append("folder"))
    publish_bytes(tmp_path / "file", b"x")
    assert calls == ["file", "name", "folder"]
    (tmp_path / "staging" / "sub").mkdir(parents=True)
    (tmp_path / "staging" / "sub" / "file").touch()
    calls.clear()
    publish_tree(tmp_path / "staging", tmp_path / "tree")
    assert calls == ["file", "folder", "folder", "name", "folder"]


def test_a_full_disk_is_named_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(OutOfSpace, match="file") as caught, atomic_publish(tmp_path / "file"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.errno == errno.ENOSPC and "intact" not in str(caught.value)
    (tmp_path / "file").write_bytes(b"older")
    with (
        pytest.raises(OutOfSpace, match="the older file is intact"),
        atomic_publish(tmp_path / "file"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert (tmp_path / "file").read_bytes() == b"older"


def test_torch_on_a_full_disk_is_named_too(tmp_path: Path) -> None:
    """/dev/full gives torch.save the real error, whatever its words are in this version."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError), atomic_publish(tmp_path / "file"), Path("/dev/full").open("wb") as full:
        torch.save({"weights": torch.zeros(100_000)}, full)
    assert os.listdir(tmp_path) == []


def test_nan_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        publish_json(tmp_path / "file.json", {"loss": float("nan")})
    publish_json(tmp_path / "file.json", {"b": 1, "a": "ü"})
    assert json.loads((tmp_path / "file.json").read_text("utf-8")) == {"b": 1, "a": "ü"}


def _tree(folder: Path, content: str) -> Path:
    folder.mkdir()
    (folder / "file").write_text(content)
    return folder


def test_a_tree_replaces_an_older_one_as_a_whole(tmp_path: Path) -> None:
    _tree(tmp_path / "final", "old")
    publish_tree(_tree(tmp_path / "staging", "new"), tmp_path / "final")
    assert (tmp_path / "final/file").read_text() == "new"
    assert os.listdir(tmp_path) == ["final"]


class Killed(BaseException):
    """Stands for a kill: no clean-up of an ``except Exception`` runs."""


def replacing(monkeypatch: pytest.MonkeyPatch, calls_before_the_kill: int) -> None:
    """``os.replace`` and ``exchange`` work that often, and then the process is as good as dead."""
    left = [calls_before_the_kill]

    def counted(real: Callable[[Path, Path], Any]) -> Callable[[Path, Path], Any]:
        def call(source: Path, target: Path) -> Any:
            if not left[0]:
                raise Killed
            left[0] -= 1
            return real(source, target)

        return call

    monkeypatch.setattr(files.os, "replace", counted(os.replace))
    monkeypatch.setattr(files, "exchange", counted(files.exchange))


@pytest.mark.parametrize("system_can_exchange", [True, False])
@pytest.mark.parametrize("calls", range(5))
def test_a_kill_while_a_tree_is_replaced_leaves_one_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int, system_can_exchange: bool
) -> None:
    _tree(tmp_path / "final", "old")
    staging = _tree(tmp_path / "staging", "new")
    if system_can_exchange:
        (tmp_path / "a").touch(), (tmp_path / "b").touch()
        if not files.exchange(tmp_path / "a", tmp_path / "b"):
            pytest.skip("names cannot change places on this system")
    else:
        monkeypatch.setattr(files, "exchange", lambda one, other: False)
    replacing(monkeypatch, calls)
    with suppress(Killed):
        publish_tree(staging, tmp_path / "final")
    monkeypatch.undo()
    if system_can_exchange:
        assert (tmp_path / "final/file").read_text() in ("old", "new")  # at any moment, with no recovery
    recover_tree(tmp_path / "final")
    assert (tmp_path / "final/file").read_text() in ("old", "new")
    assert not list(tmp_path.glob(f"{files.TEMPORARY}*"))
    publish_tree(_tree(tmp_path / "again", "newest"), tmp_path / "final")
    assert (tmp_path / "final/file").read_text() == "newest"


def test_two_names_change_places(tmp_path: Path) -> None:
    _tree(tmp_path / "one", "1"), _tree(tmp_path / "other", "2")
    if not files.exchange(tmp_path / "one", tmp_path / "other"):
        pytest.skip("names cannot change places on this system")
    assert (tmp_path / "one/file").read_text() == "2" and (tmp_path / "other/file").read_text() == "1"
    with pytest.raises(OSError, match="missing"):
        files.exchange(tmp_path / "missing", tmp_path / "one")


def test_stale_temporaries_go_and_nothing_else(tmp_path: Path) -> None:
    for name in (f"{files.TEMPORARY}0123456789ab-x", "x", ".tmp-x", ".tmp-of-others-x"):
        (tmp_path / name).touch()
    assert [path.name for path in remove_stale_temporaries(tmp_path)] == [f"{files.TEMPORARY}0123456789ab-x"]
    assert sorted(os.listdir(tmp_path)) == [".tmp-of-others-x", ".tmp-x", "x"]


def test_a_digest_can_be_stopped_and_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * (3 << 20))
    seen: list[int] = []
    assert files.sha256_of(tmp_path / "file", seen.append) == hashlib.sha256(b"x" * (3 << 20)).hexdigest()
    assert sum(seen) == 3 << 20 and len(seen) > 1
