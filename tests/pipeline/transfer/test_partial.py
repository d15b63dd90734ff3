"""Fetching that goes on: after a stop, a kill, a restart, with another mirror, after the disk failed."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.stage import Interrupted, StageError
from pipeline.stop import Stop
from pipeline.transfer import fetch
from pipeline.transfer import partial as part
from pipeline.transfer.fetch import Fetch
from tests.pipeline.fault_server import FaultServer, serving

WAYS = [1, 4]


def interrupted(make_fetch: Callable[..., Fetch], tmp_path: Path, **change: Any) -> int:
    """A fetch that is stopped after 200,000 bytes; how many it has."""
    got: list[int] = []
    with pytest.raises(Interrupted):
        make_fetch((), progress=got.append, stop=Stop(lambda: sum(got) > 200_000), **change).run()
    assert not (tmp_path / "file.zip").exists()
    return sum(got)


@pytest.fixture
def slowly(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes come so slowly that a stop arrives in the middle."""
    monkeypatch.setattr(fetch, "CHUNK", 1 << 13)
    monkeypatch.setattr(fetch, "LOOK_S", 0.001)
    write = part.PartialFile.write

    def write_slowly(self: part.PartialFile, span: part.Segment, data: bytes) -> bool:
        time.sleep(0.002)
        return write(self, span, data)

    monkeypatch.setattr(part.PartialFile, "write", write_slowly)


@pytest.mark.parametrize("connections", WAYS)
def test_a_file_that_changed_meanwhile_is_never_mixed(
    make_fetch: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    slowly: None,
    connections: int,
) -> None:
    interrupted(make_fetch, tmp_path, connections=connections)
    fault_server.body = fault_server.body[::-1]
    fault_server.etag = '"v2"'
    make_fetch((), sha256=fault_server.sha256, connections=connections).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


@pytest.mark.parametrize("etag", ['W/"v1"', ""])
def test_weak_validators_start_again(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path, etag: str
) -> None:
    fault_server.etag = etag
    make_fetch(("cut",)).run()
    assert fault_server.requests == [None, None]
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


@pytest.mark.parametrize("connections", WAYS)
def test_an_interrupted_transfer_keeps_what_it_has(
    make_fetch: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    slowly: None,
    connections: int,
) -> None:
    have = interrupted(make_fetch, tmp_path, connections=connections)
    time.sleep(0.3)  # until what was on its way has been counted
    before, got = fault_server.served, []
    make_fetch((), connections=connections, progress=got.append).run()
    assert got[0] == have, "what was there counts"
    assert fault_server.served - before == len(fault_server.body) - have
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


def notes_of(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "file.zip.part.jsonl").read_text().splitlines()]


def write_notes(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    (tmp_path / "file.zip.part.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_after_a_restart_of_the_machine_only_synced_bytes_are_believed(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path, slowly: None
) -> None:
    interrupted(make_fetch, tmp_path)
    rows = notes_of(tmp_path)
    synced = [row for row in rows if row.get("synced")]
    assert synced, "it was brought to the disk on the way"
    with (tmp_path / "file.zip.part").open("r+b") as file:  # what lay behind the first sync is lost
        file.seek(synced[0]["have"])
        file.write(b"\0" * 50_000)
    kept = rows[: rows.index(synced[0]) + 1]
    write_notes(
        tmp_path, [{**kept[0], "boot": "another"}, *kept[1:], {**synced[0], "have": 200_000, "synced": False}]
    )
    got: list[int] = []
    make_fetch((), progress=got.append).run()
    assert got[0] == synced[0]["have"]
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


@pytest.mark.parametrize(
    "damage",
    [
        lambda rows: [{**rows[0], "part": 99}, *rows[1:]],
        lambda rows: [{**rows[0], "bytes": 5}, *rows[1:]],
        lambda rows: [{**rows[0], "spans": [[0, 10], [20, 700_000]]}, *rows[1:]],
        lambda rows: [{**rows[0], "spans": [[0, 700_000], [700_000, 600_000]]}, *rows[1:]],
        lambda rows: [{**rows[0], "spans": "x"}, *rows[1:]],
        lambda rows: [*rows, {"span": 0, "have": 10**9, "synced": True}],
        lambda rows: [*rows, {"span": 0, "have": -5, "synced": True}],
        lambda rows: [*rows, {"span": 77, "have": 5, "synced": True}],
        lambda rows: [*rows, {"span": None}],
        lambda rows: rows[1:],
        lambda rows: [],
    ],
)
def test_a_record_that_does_not_fit_is_not_believed(
    make_fetch: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    slowly: None,
    damage: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
) -> None:
    interrupted(make_fetch, tmp_path)
    write_notes(tmp_path, damage(notes_of(tmp_path)))
    make_fetch(()).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
    assert fault_server.requests[-1] is None


@pytest.mark.parametrize("connections", WAYS)
def test_another_mirror_goes_on_where_the_first_one_left(
    make_fetch: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    slowly: None,
    connections: int,
) -> None:
    have = interrupted(make_fetch, tmp_path, connections=connections)
    with serving(fault_server.body) as second:
        second.etag = '"another name of the same"'
        urls = ["http://127.0.0.1:9/file.zip", f"{second.url}/file.zip"]
        make_fetch((), urls=urls, connections=connections).run()
        assert second.served == len(second.body) - have
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


def test_a_part_of_another_object_is_not_gone_on_with(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path, slowly: None
) -> None:
    """Another url and digest for the same output, the size unknown each time."""
    interrupted(make_fetch, tmp_path, bytes=None)
    with serving(b"another file" * 30_000) as other:
        make_fetch((), urls=[f"{other.url}/other"], bytes=None, sha256=other.sha256).run()
        assert (tmp_path / "file.zip").read_bytes() == other.body


def test_an_object_that_changes_its_size_is_begun_again(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path, slowly: None
) -> None:
    old = fault_server.sha256
    interrupted(make_fetch, tmp_path, bytes=None)
    fault_server.body, fault_server.etag = fault_server.body[:600_000], '"v2"'
    with pytest.raises(StageError, match="is not the file"):
        make_fetch((), bytes=None, sha256=old).run()
    make_fetch((), bytes=None).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


def test_bytes_whose_fsync_failed_are_not_believed(
    make_fetch: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    slowly: None,
) -> None:
    fsync, calls = part.os.fsync, []

    def fail_once(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(".part"):  # noqa: PTH115
            calls.append(descriptor)
            if len(calls) == 3:
                raise OSError(errno.EIO, "lost")
        fsync(descriptor)

    monkeypatch.setattr(part.os, "fsync", fail_once)
    with pytest.raises(OSError, match="lost"):
        make_fetch(()).run()
    have = max([row["have"] for row in notes_of(tmp_path) if "have" in row], default=0)
    assert 0 < have < (tmp_path / "file.zip.part").stat().st_size, "only what an fsync has proven"
    got: list[int] = []
    make_fetch((), progress=got.append).run()
    assert got[0] == have and (tmp_path / "file.zip").read_bytes() == fault_server.body


def test_bytes_whose_last_fsync_failed_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, arriving = part.os.fsync, part.PartialFile(tmp_path / "file.zip", 900_000)

    def fail(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(".part"):  # noqa: PTH115
            raise OSError(errno.EIO, "lost")
        fsync(descriptor)

    arriving.open(None)
    assert arriving.write(arriving.spans[0], bytes(300_000))
    monkeypatch.setattr(part.os, "fsync", fail)
    with pytest.raises(OSError, match="lost"):
        arriving.close()
    monkeypatch.undo()
    again = part.PartialFile(tmp_path / "file.zip", 900_000)
    again.open(None)
    assert again.have == 0
    again.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk_is_not_retried_and_the_part_stays_usable(
    make_fetch: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
) -> None:
    fsync, calls = part.os.fsync, []

    def fail(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) >= 3:
            raise OSError(code, "the disk failed")
        fsync(descriptor)

    monkeypatch.setattr(part.os, "fsync", fail)
    with pytest.raises(OSError, match=r"file\.zip"):
        make_fetch(()).run()
    monkeypatch.undo()
    assert not (tmp_path / "file.zip").exists()
    make_fetch(()).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


def test_on_the_disk_before_it_has_its_name(
    make_fetch: Callable[..., Fetch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last bytes of the part, then the name, then the folder; anything else may lose it with the power."""
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def sync(descriptor: int) -> None:
        order.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))  # noqa: PTH115, PTH119
        fsync(descriptor)

    def rename(old: Path, new: Path) -> None:
        order.append(f"name {Path(new).name}")
        replace(old, new)

    monkeypatch.setattr(part, "SYNC_EVERY", 1 << 30)
    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", rename)
    make_fetch(()).run()
    named = order.index("name file.zip")
    assert "file.zip.part" in order[:named] and tmp_path.name in order[named:]


def test_what_is_resumed_is_of_the_same_file_and_there_to_the_last_byte(tmp_path: Path) -> None:
    """The digest would say so, too, but only after all of it has been fetched."""

    def have(identity: str) -> int:
        arriving = part.PartialFile(tmp_path / "file.zip", 100, identity)
        try:
            return arriving.have if arriving._read_record() else -1
        finally:
            arriving.close()

    arriving = part.PartialFile(tmp_path / "file.zip", 100, "one")
    arriving.open(None)
    arriving.write(arriving.spans[0], bytes(50))
    arriving.close()
    assert (have("one"), have("another")) == (50, -1)
    os.truncate(arriving.path, 49)
    assert have("one") == -1


def test_bytes_arrive_while_the_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note of an fsync says what had been written when it began, and takes nothing back of what came since."""
    began, go = threading.Event(), threading.Event()
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            began.set()
            assert go.wait(60)
        fsync(descriptor)

    monkeypatch.setattr(part, "SYNC_EVERY", 50)
    monkeypatch.setattr(part, "NOTE_EVERY", 1)
    monkeypatch.setattr(part.os, "fsync", slow)
    arriving = part.PartialFile(tmp_path / "file.zip", 100, "one")
    arriving.open(None)
    assert arriving.write(arriving.spans[0], bytes(50)) and began.wait(60)
    assert arriving.write(arriving.spans[0], bytes(20)), "while the fsync has not come back"
    go.set()
    arriving._syncing.wait()
    assert [(row["have"], row["synced"]) for row in notes_of(tmp_path) if "have" in row] == [
        (50, False), (70, False), (50, True),
    ]  # fmt: skip
    later = part.PartialFile(tmp_path / "file.zip", 100, "one")
    assert later._read_record() and later.have == 70
    arriving.close()


def test_not_more_than_a_few_syncs_are_owed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is not filled with bytes that a slow disk has still to take."""
    waited: list[int] = []
    arriving = part.PartialFile(tmp_path / "file.zip", 1000, "one")
    arriving.open(None)
    monkeypatch.setattr(part, "SYNC_EVERY", 50)
    monkeypatch.setattr(type(arriving._syncing), "is_running", True)
    monkeypatch.setattr(arriving._syncing, "wait", lambda: waited.append(arriving.have))
    for _ in range(6):
        arriving.write(arriving.spans[0], bytes(50))
    assert waited == [200, 250]
    arriving.close()


def test_a_connection_that_still_writes_does_not_hold_the_end_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between waiting for the fsync beside and taking the lock another one must not begin: both would wait for ever."""
    arriving = part.PartialFile(tmp_path / "file.zip", 100, "one")
    arriving.open(None)
    monkeypatch.setattr(part, "SYNC_EVERY", 10)
    wait, begun = arriving._syncing.wait, []

    def straggler() -> None:
        wait()
        begun.append(arriving.write(arriving.spans[0], bytes(20)))

    monkeypatch.setattr(arriving._syncing, "wait", straggler)
    closing = threading.Thread(target=arriving.close, daemon=True)
    closing.start()
    closing.join(60)
    assert not closing.is_alive() and begun == [True]
    later = part.PartialFile(tmp_path / "file.zip", 100, "one")
    assert later._read_record() and later.have == 20
