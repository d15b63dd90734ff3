"""Fetching from servers that misbehave: the right bytes or nothing, and no byte twice without need."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import fetch
from pipeline.fetch import Fetch
from pipeline.stage import Interrupted, StageError


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "BACKOFF_S", 0.001)
    monkeypatch.setattr(fetch, "STALL_S", 0.5)
    monkeypatch.setattr(fetch, "SYNC_EVERY", 1 << 16)


@pytest.fixture
def make(fault_server: Any, tmp_path: Path) -> Callable[..., Fetch]:
    def made(faults: tuple[str, ...] = (), **change: Any) -> Fetch:
        fault_server.faults = list(faults)
        arguments: dict[str, Any] = {
            "urls": [f"{fault_server.url}/file.zip"], "bytes": len(fault_server.body), "sha256": fault_server.sha256,
            "output": tmp_path / "file.zip", "progress": lambda received: None,
            "should_stop": lambda: False, "say": lambda line: None,
        }  # fmt: skip
        return Fetch(**(arguments | change))

    return made


RECOVERED = [
    (), ("drop before",), ("drop before",) * 5, ("cut",), ("cut", "cut", "cut"), ("stall",),
    ("500",), ("503", "429"), ("404",), ("html",), ("gzip",), ("redirect /other",),
    ("redirect ftp://127.0.0.1/x",), ("redirect /a", "redirect /b", "redirect /c"), ("redirect /r",) * 8,
    ("cut", "ignore range"), ("cut", "wrong offset"), ("cut", "416"), ("no length",), ("cut", "no length"),
    ("too long",), ("short",), ("flip",), ("cut", "html", "503", "cut", "drop before"),
]  # fmt: skip


@pytest.mark.parametrize("faults", RECOVERED, ids=lambda faults: ", ".join(faults) or "none")
def test_what_can_be_recovered_ends_with_the_right_bytes(
    make: Callable[..., Fetch], fault_server: Any, tmp_path: Path, faults: tuple[str, ...]
) -> None:
    make(faults).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.zip"]


def test_a_broken_transfer_goes_on_where_it_broke(make: Callable[..., Fetch], fault_server: Any) -> None:
    make(("cut", "cut", "cut")).run()
    assert fault_server.served == len(fault_server.body)
    assert fault_server.requests[0] is None and all(fault_server.requests[1:])


def test_a_file_that_changed_meanwhile_is_never_mixed(
    make: Callable[..., Fetch], fault_server: Any, tmp_path: Path
) -> None:
    stop = iter([False] * 2 + [True] * 99)
    with pytest.raises(Interrupted):
        make((), should_stop=lambda: next(stop)).run()
    assert (tmp_path / "file.zip.part").stat().st_size > 0
    fault_server.body = fault_server.body[::-1]
    fault_server.etag = '"v2"'
    make((), sha256=fault_server.sha256).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


def test_weak_validators_start_again(make: Callable[..., Fetch], fault_server: Any, tmp_path: Path) -> None:
    fault_server.etag = 'W/"v1"'
    make(("cut",)).run()
    assert fault_server.requests == [None, None]
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


def test_an_interrupted_transfer_keeps_what_it_has(
    make: Callable[..., Fetch], fault_server: Any, tmp_path: Path
) -> None:
    stop = iter([False] * 2 + [True] * 99)
    with pytest.raises(Interrupted):
        make((), should_stop=lambda: next(stop)).run()
    assert not (tmp_path / "file.zip").exists()
    before = fault_server.served
    make(()).run()
    assert fault_server.requests[-1] is not None
    assert fault_server.served - before < len(fault_server.body)


def test_bytes_behind_the_synced_length_are_not_trusted(
    make: Callable[..., Fetch], fault_server: Any, tmp_path: Path
) -> None:
    """Power was lost: the record says less than the file has."""
    stop = iter([False] * 2 + [True] * 99)
    with pytest.raises(Interrupted):
        make((), should_stop=lambda: next(stop)).run()
    with (tmp_path / "file.zip.part").open("ab") as part:
        part.write(b"\0" * 5000)
    make(()).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (("flip", "flip"), "is not the file of the release"),
        (("drop before",) * 50, "could not be fetched"),
        (("404",) * 50, "HTTP 404"),
        (("html",) * 50, "web page"),
        (("redirect ftp://127.0.0.1/x",) * 50, "only http and https"),
        (("too long",) * 50, "more than the"),
    ],
)
def test_what_can_not_be_recovered_fails_by_name_and_publishes_nothing(
    make: Callable[..., Fetch], fault_server: Any, tmp_path: Path, faults: tuple[str, ...], message: str
) -> None:
    with pytest.raises(StageError, match=message):
        make(faults).run()
    assert not (tmp_path / "file.zip").exists()
    assert len(fault_server.requests) < 20


def test_the_next_mirror_is_tried(make: Callable[..., Fetch], fault_server: Any, tmp_path: Path) -> None:
    dead = "http://127.0.0.1:9/file.zip"
    make((), urls=[dead, f"{fault_server.url}/file.zip"]).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk_is_not_retried_and_the_part_stays_usable(
    make: Callable[..., Fetch], fault_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    fsync, calls = fetch.os.fsync, []

    def fail(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 3:
            raise OSError(code, "the disk failed")
        fsync(descriptor)

    monkeypatch.setattr(fetch.os, "fsync", fail)
    with pytest.raises(OSError, match="the disk failed"):
        make(()).run()
    monkeypatch.undo()
    assert not (tmp_path / "file.zip").exists()
    make(()).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
