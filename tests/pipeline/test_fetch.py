"""Fetching from servers that misbehave: the right bytes or nothing, and no byte twice without need."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3

from pipeline import fetch, part, request
from pipeline.fetch import Fetch
from pipeline.stage import Interrupted, StageError
from tests.pipeline.fault_server import FaultServer, serving


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "BACKOFF_S", 0.001)
    monkeypatch.setattr(fetch, "SPAN_BYTES", 1 << 16)
    monkeypatch.setattr(request, "STALL_S", 0.5)
    monkeypatch.setattr(part, "SYNC_EVERY", 1 << 16)
    monkeypatch.setattr(part, "NOTE_EVERY", 1 << 14)


@pytest.fixture
def make(fault_server: FaultServer, tmp_path: Path) -> Callable[..., Fetch]:
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


WAYS = [1, 4]


@pytest.mark.parametrize("connections", WAYS)
@pytest.mark.parametrize("faults", RECOVERED, ids=lambda faults: ", ".join(faults) or "none")
def test_what_can_be_recovered_ends_with_the_right_bytes(
    make: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    faults: tuple[str, ...],
    connections: int,
) -> None:
    make(faults, connections=connections).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.zip"]


@pytest.mark.parametrize("connections", WAYS)
@pytest.mark.parametrize("seed", range(12))
def test_any_mixture_of_faults_ends_with_the_right_bytes_or_by_name(
    make: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path, seed: int, connections: int
) -> None:
    fault_server.draw, fault_server.left = random.Random(seed), 25
    for _ in range(20):
        try:
            make((), connections=connections).run()
            break
        except StageError:
            assert not (tmp_path / "file.zip").exists()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.zip"]


def test_several_connections_share_the_work(make: Callable[..., Fetch], fault_server: FaultServer) -> None:
    seen: list[int] = []
    make((), connections=4, progress=seen.append).run()
    assert len(fault_server.requests) == 10 and all(fault_server.requests)
    assert fault_server.served == len(fault_server.body) == sum(seen)


def test_a_server_without_ranges_is_asked_once(make: Callable[..., Fetch], fault_server: FaultServer) -> None:
    fault_server.always = "ignore range"
    make((), connections=4).run()
    assert len(fault_server.requests) == 2, "once with a range, once without"


def test_a_broken_transfer_goes_on_where_it_broke(
    make: Callable[..., Fetch], fault_server: FaultServer
) -> None:
    make(("cut", "cut", "cut")).run()
    assert fault_server.served == len(fault_server.body)
    assert fault_server.requests[0] is None and all(fault_server.requests[1:])


def interrupted(make: Callable[..., Fetch], tmp_path: Path, **change: Any) -> int:
    """A fetch that is stopped after 200,000 bytes; how many it has."""
    got: list[int] = []
    with pytest.raises(Interrupted):
        make((), progress=got.append, should_stop=lambda: sum(got) > 200_000, **change).run()
    assert not (tmp_path / "file.zip").exists()
    return sum(got)


@pytest.fixture
def slowly(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes come so slowly that a stop arrives in the middle."""
    monkeypatch.setattr(fetch, "CHUNK", 1 << 13)
    monkeypatch.setattr(fetch, "LOOK_S", 0.001)
    write = part.Part.write

    def write_slowly(self: part.Part, span: part.Span, data: bytes) -> bool:
        time.sleep(0.002)
        return write(self, span, data)

    monkeypatch.setattr(part.Part, "write", write_slowly)


@pytest.mark.parametrize("connections", WAYS)
def test_a_file_that_changed_meanwhile_is_never_mixed(
    make: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path, slowly: None, connections: int
) -> None:
    interrupted(make, tmp_path, connections=connections)
    fault_server.body = fault_server.body[::-1]
    fault_server.etag = '"v2"'
    make((), sha256=fault_server.sha256, connections=connections).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


@pytest.mark.parametrize("etag", ['W/"v1"', ""])
def test_weak_validators_start_again(
    make: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path, etag: str
) -> None:
    fault_server.etag = etag
    make(("cut",)).run()
    assert fault_server.requests == [None, None]
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


def test_a_server_that_always_breaks_off_what_can_not_be_resumed_is_given_up(
    make: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path
) -> None:
    fault_server.etag, fault_server.always = "", "cut"
    with pytest.raises(StageError, match="begun 6 times"):
        make(()).run()
    assert not (tmp_path / "file.zip").exists()


@pytest.mark.parametrize("connections", WAYS)
def test_an_interrupted_transfer_keeps_what_it_has(
    make: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path, slowly: None, connections: int
) -> None:
    have = interrupted(make, tmp_path, connections=connections)
    time.sleep(0.3)  # until what was on its way has been counted
    before, got = fault_server.served, []
    make((), connections=connections, progress=got.append).run()
    assert got[0] == have, "what was there counts"
    assert fault_server.served - before == len(fault_server.body) - have
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


def notes_of(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "file.zip.part.jsonl").read_text().splitlines()]


def write_notes(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    (tmp_path / "file.zip.part.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_after_a_restart_of_the_machine_only_synced_bytes_are_believed(
    make: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path, slowly: None
) -> None:
    interrupted(make, tmp_path)
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
    make((), progress=got.append).run()
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
    make: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    slowly: None,
    damage: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
) -> None:
    interrupted(make, tmp_path)
    write_notes(tmp_path, damage(notes_of(tmp_path)))
    make(()).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
    assert fault_server.requests[-1] is None


@pytest.mark.parametrize("connections", WAYS)
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("drop before", "could not be fetched"),
        ("404", "HTTP 404"),
        ("html", "web page"),
        ("gzip", "Content-Encoding gzip"),
        ("redirect ftp://127.0.0.1/x", "only http and https"),
        ("redirect file:///etc/passwd", "only http and https"),
        ("redirect /loop", "more than 5 redirects"),
        ("too long", "bytes instead of 700,000|more than the"),
        ("short", "bytes instead of 700,000|connection ended|begun 6 times"),
    ],
)
def test_what_can_not_be_recovered_fails_by_name_and_publishes_nothing(
    make: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    fault: str,
    message: str,
    connections: int,
) -> None:
    fault_server.always = fault
    with pytest.raises(StageError, match=message):
        make((), connections=connections).run()
    assert not (tmp_path / "file.zip").exists()
    assert len(fault_server.requests) < 60


def test_a_wrong_digest_is_fetched_once_more_and_then_refused(
    make: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path
) -> None:
    with pytest.raises(StageError, match="is not the file that was asked for"):
        make(("flip", "flip")).run()
    assert fault_server.requests == [None, None]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("connections", WAYS)
def test_a_server_that_drips_is_left(
    make: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    connections: int,
) -> None:
    monkeypatch.setattr(fetch, "RATE_WINDOW_S", 0.3)
    monkeypatch.setattr(fetch, "MIN_RATE", 20_000)
    said: list[str] = []
    make(("drip",), connections=connections, say=said.append).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
    assert any("bytes/s over" in line for line in said)
    fault_server.always = "drip"
    (tmp_path / "file.zip").unlink()
    with pytest.raises(StageError, match="bytes/s over"):
        make((), connections=connections).run()


@pytest.mark.parametrize(
    ("header", "low", "high"), [("0", 0, 0), ("7", 7, 7), ("soon", None, None), ("", None, None)]
)
def test_retry_after_in_seconds(header: str, low: float | None, high: float | None) -> None:
    response = requests.Response()
    response.headers["Retry-After"] = header
    assert request._retry_after(response) in (low, high)


def test_retry_after_as_a_date() -> None:
    response = requests.Response()
    response.headers["Retry-After"] = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 27 < (request._retry_after(response) or 0) <= 30
    response.headers["Retry-After"] = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert request._retry_after(response) == 0


def test_the_next_mirror_is_tried(
    make: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path
) -> None:
    dead = "http://127.0.0.1:9/file.zip"
    make((), urls=[dead, f"{fault_server.url}/file.zip"]).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


@pytest.mark.parametrize("connections", WAYS)
def test_another_mirror_goes_on_where_the_first_one_left(
    make: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path, slowly: None, connections: int
) -> None:
    have = interrupted(make, tmp_path, connections=connections)
    with serving(fault_server.body) as second:
        second.etag = '"another name of the same"'
        urls = ["http://127.0.0.1:9/file.zip", f"{second.url}/file.zip"]
        make((), urls=urls, connections=connections).run()
        assert second.served == len(second.body) - have
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


def test_a_part_of_another_object_is_not_gone_on_with(
    make: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path, slowly: None
) -> None:
    """Another url and digest for the same output, the size unknown each time."""
    interrupted(make, tmp_path, bytes=None)
    with serving(b"another file" * 30_000) as other:
        make((), urls=[f"{other.url}/other"], bytes=None, sha256=other.sha256).run()
        assert (tmp_path / "file.zip").read_bytes() == other.body


def test_an_object_that_changes_its_size_is_begun_again(
    make: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path, slowly: None
) -> None:
    old = fault_server.sha256
    interrupted(make, tmp_path, bytes=None)
    fault_server.body, fault_server.etag = fault_server.body[:600_000], '"v2"'
    with pytest.raises(StageError, match="is not the file"):
        make((), bytes=None, sha256=old).run()
    make((), bytes=None).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


def test_bytes_whose_fsync_failed_are_not_believed(
    make: Callable[..., Fetch],
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
        make(()).run()
    have = max([row["have"] for row in notes_of(tmp_path) if "have" in row], default=0)
    assert 0 < have < (tmp_path / "file.zip.part").stat().st_size, "only what an fsync has proven"
    got: list[int] = []
    make((), progress=got.append).run()
    assert got[0] == have and (tmp_path / "file.zip").read_bytes() == fault_server.body


@pytest.mark.parametrize(
    "head",
    [{"Location": "http://[bad", "status": 302}, {"Content-Length": "\u00b2"}, {"Retry-After": "\u00b2"}],
)
def test_headers_that_make_no_sense_are_a_broken_answer(
    make: Callable[..., Fetch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: dict[str, Any]
) -> None:
    def get(self: requests.Session, url: str, **rest: Any) -> requests.Response:
        response = requests.Response()
        response.status_code = head.get("status", 503)
        response.raw = urllib3.HTTPResponse(io.BytesIO(b""), preload_content=False)
        response.headers.update({name: value for name, value in head.items() if name != "status"})
        return response

    monkeypatch.setattr(requests.Session, "get", get)
    with pytest.raises(StageError, match="could not be fetched"):
        make(()).run()


def test_without_a_size_the_server_says_it(
    make: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path
) -> None:
    for faults in ((), ("cut",), ("no length",), ("drop before",)):
        make(faults, bytes=None, connections=4).run()
        assert (tmp_path / "file.zip").read_bytes() == fault_server.body
        (tmp_path / "file.zip").unlink()


@pytest.mark.parametrize("connections", WAYS)
def test_a_stop_does_not_wait_for_a_server_that_hangs(
    make: Callable[..., Fetch],
    fault_server: FaultServer,
    monkeypatch: pytest.MonkeyPatch,
    connections: int,
) -> None:
    monkeypatch.setattr(request, "STALL_S", 60)
    fault_server.always = "hang"
    began = time.monotonic()
    with pytest.raises(Interrupted):
        make((), connections=connections, should_stop=lambda: time.monotonic() > began + 0.5).run()
    assert time.monotonic() < began + 3


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk_is_not_retried_and_the_part_stays_usable(
    make: Callable[..., Fetch],
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
        make(()).run()
    monkeypatch.undo()
    assert not (tmp_path / "file.zip").exists()
    make(()).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
