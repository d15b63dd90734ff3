"""Fetching from servers that misbehave: the right bytes or nothing, and no byte twice without need."""

from __future__ import annotations

import errno
import io
import random
import shutil
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import urllib3

from pipeline.stage import Interrupted, StageError
from pipeline.stop import Stop
from pipeline.transfer import fetch, request
from pipeline.transfer import partial as part
from pipeline.transfer.fetch import Connections, Fetch, backoff_s
from pipeline.transfer.request import NotResumable
from tests.pipeline.fault_server import FaultServer

RECOVERED = [
    (), ("drop before",), ("drop before",) * 5, ("cut",), ("cut", "cut", "cut"), ("stall",),
    ("500",), ("503", "429"), ("403",), ("html",), ("gzip",), ("redirect /other",),
    ("redirect /a", "redirect /b", "redirect /c"),
    ("cut", "ignore range"), ("cut", "wrong offset"), ("cut", "416"), ("no length",), ("cut", "no length"),
    ("too long",), ("short",), ("flip",), ("cut", "html", "503", "cut", "drop before"),
]  # fmt: skip


WAYS = [1, 4]


@pytest.mark.parametrize("connections", WAYS)
@pytest.mark.parametrize("faults", RECOVERED, ids=lambda faults: ", ".join(faults) or "none")
def test_what_can_be_recovered_ends_with_the_right_bytes(
    make_fetch: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    faults: tuple[str, ...],
    connections: int,
) -> None:
    make_fetch(faults, connections=connections).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.zip"]


@pytest.mark.parametrize("connections", WAYS)
@pytest.mark.parametrize("seed", range(12))
def test_any_mixture_of_faults_ends_with_the_right_bytes_or_by_name(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path, seed: int, connections: int
) -> None:
    fault_server.draw, fault_server.left = random.Random(seed), 25
    for _ in range(20):
        try:
            make_fetch((), connections=connections).run()
            break
        except StageError:
            assert not (tmp_path / "file.zip").exists()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.zip"]


def test_several_connections_share_the_work(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer
) -> None:
    seen: list[int] = []
    make_fetch((), connections=4, progress=seen.append).run()
    assert len(fault_server.requests) == 10 and all(fault_server.requests)
    assert fault_server.served == len(fault_server.body) == sum(seen)


def test_a_server_without_ranges_is_asked_once(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer
) -> None:
    fault_server.always = "ignore range"
    make_fetch((), connections=4).run()
    assert len(fault_server.requests) == 2, "once with a range, once without"


def test_a_broken_transfer_goes_on_where_it_broke(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer
) -> None:
    make_fetch(("cut", "cut", "cut")).run()
    assert fault_server.served == len(fault_server.body)
    assert fault_server.requests[0] is None and all(fault_server.requests[1:])


def test_a_server_that_always_breaks_off_what_can_not_be_resumed_is_given_up(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path
) -> None:
    fault_server.etag, fault_server.always = "", "cut"
    with pytest.raises(StageError, match="begun 6 times"):
        make_fetch(()).run()
    assert not (tmp_path / "file.zip").exists()


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
    make_fetch: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    fault: str,
    message: str,
    connections: int,
) -> None:
    fault_server.always = fault
    with pytest.raises(StageError, match=message):
        make_fetch((), connections=connections).run()
    assert not (tmp_path / "file.zip").exists()
    assert len(fault_server.requests) < 60


def test_a_wrong_digest_is_fetched_once_more_and_then_refused(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path
) -> None:
    with pytest.raises(StageError, match="is not the file that was asked for"):
        make_fetch(("flip", "flip")).run()
    assert fault_server.requests == [None, None]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("faults", [("flip",), ("cut", "flip"), ("cut",), ()])
def test_the_md5_that_the_server_tells_decides_where_nobody_knows_a_digest(
    faults: tuple[str, ...], make_fetch: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path
) -> None:
    fault_server.md5, told = True, list[int]()
    make_fetch(faults, sha256="", bytes=None, expect=told.append).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
    assert told == [len(fault_server.body)] * (1 + ("flip" in faults))
    assert len(fault_server.requests) == 1 + len(faults)


def test_the_md5_is_known_also_when_only_the_end_was_missing(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path
) -> None:
    """As after a kill between the last byte and the name: nothing is asked for, and the digest is looked at."""
    fault_server.md5 = True
    fetch = make_fetch((), sha256="", bytes=None)
    kept = part.PartialFile(fetch.output, None, "")
    kept.open(None)
    fetch._transfer(kept, 1)
    kept.close()
    with kept.path.open("r+b") as file:
        file.write(b"x")
    said: list[str] = []
    make_fetch((), sha256="", bytes=None, say=said.append).run()
    assert "md5" in said[0] and said[0].endswith("; fetching it again")
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


def test_without_any_digest_the_size_decides(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path
) -> None:
    make_fetch(("cut", "stall"), sha256="", bytes=None).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


def test_so_many_tries_as_are_asked_for(make_fetch: Callable[..., Fetch], fault_server: FaultServer) -> None:
    fault_server.always = "500"
    with pytest.raises(StageError, match="HTTP 500"):
        make_fetch((), tries=2).run()
    assert len(fault_server.requests) == 2


@pytest.mark.parametrize("connections", WAYS)
def test_a_server_that_drips_is_left(
    make_fetch: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    connections: int,
) -> None:
    monkeypatch.setattr(fetch, "RATE_WINDOW_S", 0.3)
    monkeypatch.setattr(fetch, "MIN_RATE", 20_000)
    said: list[str] = []
    make_fetch(("drip",), connections=connections, say=said.append).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
    assert any("bytes/s over" in line for line in said)
    fault_server.always = "drip"
    (tmp_path / "file.zip").unlink()
    with pytest.raises(StageError, match="bytes/s over"):
        make_fetch((), connections=connections).run()


@pytest.mark.parametrize(
    ("header", "low", "high"), [("0", 0, 0), ("7", 7, 7), ("soon", None, None), ("", None, None)]
)
def test_retry_after_in_seconds(header: str, low: float | None, high: float | None) -> None:
    response = requests.Response()
    response.headers["Retry-After"] = header
    assert request._retry_after(response) in (low, high)


def test_retry_after_as_a_date() -> None:
    response = requests.Response()
    response.headers["Retry-After"] = format_datetime(
        datetime.now(timezone.utc) + timedelta(seconds=30), usegmt=True
    )
    assert 27 < (request._retry_after(response) or 0) <= 30
    response.headers["Retry-After"] = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert request._retry_after(response) == 0


def test_the_next_mirror_is_tried(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path
) -> None:
    dead = "http://127.0.0.1:9/file.zip"
    make_fetch((), urls=[dead, f"{fault_server.url}/file.zip"]).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


@pytest.mark.parametrize(
    "head",
    [{"Location": "http://[bad", "status": 302}, {"Content-Length": "\u00b2"}, {"Retry-After": "\u00b2"}],
)
def test_headers_that_make_no_sense_are_a_broken_answer(
    make_fetch: Callable[..., Fetch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: dict[str, Any]
) -> None:
    def get(self: requests.Session, url: str, **rest: Any) -> requests.Response:
        response = requests.Response()
        response.status_code = head.get("status", 503)
        response.raw = urllib3.HTTPResponse(io.BytesIO(b""), preload_content=False)
        response.headers.update({name: value for name, value in head.items() if name != "status"})
        return response

    monkeypatch.setattr(requests.Session, "get", get)
    with pytest.raises(StageError, match="could not be fetched"):
        make_fetch(()).run()


def test_without_a_size_the_server_says_it(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path
) -> None:
    for faults in ((), ("cut",), ("no length",), ("drop before",)):
        make_fetch(faults, bytes=None, connections=4).run()
        assert (tmp_path / "file.zip").read_bytes() == fault_server.body
        (tmp_path / "file.zip").unlink()


@pytest.mark.parametrize("connections", WAYS)
def test_a_stop_does_not_wait_for_a_server_that_hangs(
    make_fetch: Callable[..., Fetch],
    fault_server: FaultServer,
    monkeypatch: pytest.MonkeyPatch,
    connections: int,
) -> None:
    monkeypatch.setattr(request, "STALL_S", 60)
    fault_server.always = "hang"
    began = time.monotonic()
    with pytest.raises(Interrupted):
        make_fetch((), connections=connections, stop=Stop(lambda: time.monotonic() > began + 0.5)).run()
    assert time.monotonic() < began + 3


def test_a_server_whose_head_never_ends_is_left(
    make_fetch: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A byte now and then, so that no time-out of the socket ever ends it."""
    monkeypatch.setattr(request, "HEAD_S", 0.3)
    said: list[str] = []
    make_fetch(("drip head",), say=said.append).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
    assert len(said) == 1 and "no answer within" in said[0]
    (tmp_path / "file.zip").unlink()
    fault_server.always, began = "drip head", time.monotonic()
    with pytest.raises(StageError, match="no answer within"):
        make_fetch((), connections=4).run()
    assert time.monotonic() - began < 10


# ---------------------------------------------------------------- back-off


def test_the_pauses_grow_and_are_never_the_same() -> None:
    for tries in range(1, 7):
        drawn = {backoff_s(tries, None) for _ in range(50)}
        assert len(drawn) > 40
        assert all(2 ** (tries - 1) / 2 <= pause <= 2 ** (tries - 1) for pause in drawn)
    assert max(backoff_s(40, None) for _ in range(50)) <= fetch.BACKOFF_LIMIT_S
    assert (backoff_s(1, 7.0), backoff_s(1, 1e9)) == (7.0, fetch.RETRY_AFTER_LIMIT_S)


def test_it_really_waits(make_fetch: Callable[..., Fetch], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "BACKOFF_S", 0.05)
    began = time.monotonic()
    make_fetch(("drop before",) * 5).run()
    assert time.monotonic() - began > 0.05 * (1 + 2 + 4 + 8 + 16) / 2


# ---------------------------------------------------------------- room


def little_space(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))


def test_a_size_that_the_server_tells_is_looked_for_on_the_disk(
    make_fetch: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    little_space(monkeypatch, 700_100)
    with pytest.raises(StageError, match=r"770,000 bytes are needed for file\.zip, 700,100 are free"):
        make_fetch((), bytes=None).run()
    assert list(tmp_path.iterdir()) == [] and len(fault_server.requests) == 1


def test_a_body_without_an_end_does_not_fill_the_disk(
    make_fetch: Callable[..., Fetch],
    fault_server: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    little_space(monkeypatch, 60 << 20)
    monkeypatch.setattr(fetch, "ROOM_EVERY", 1 << 17)
    fault_server.always = "no length"
    with pytest.raises(StageError, match="the server does not say how many there are"):
        make_fetch((), bytes=None).run()
    assert not (tmp_path / "file.zip").exists()


def test_a_disk_that_is_full_says_what_is_lacking(
    make_fetch: Callable[..., Fetch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite, free = part.os.pwrite, 200_000

    def write(descriptor: int, data: bytes, at: int) -> int:
        if at >= free:
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(descriptor, data[: free - at], at)

    monkeypatch.setattr(part.os, "pwrite", write)
    with pytest.raises(
        OSError, match="200,000 of 700,000 bytes have arrived; 500,000 more are needed"
    ) as caught:
        make_fetch(()).run()
    assert "older file" not in str(caught.value)


def test_why_a_partial_file_cannot_be_resumed_is_said(tmp_path: Path) -> None:
    """Each way in which a mirror can fail a file that is half here."""
    span = part.Segment(0, 0, None, have=5)
    half = SimpleNamespace(validators={}, spans=[span], validator_of=lambda url: None)
    job = SimpleNamespace(mirrors=SimpleNamespace(drop=lambda url: True, usable=0, some_are_barred=True))
    worker: Any = SimpleNamespace(part=half, job=job)
    with pytest.raises(NotResumable, match="no strong ETag or date, so the partial file cannot be resumed"):
        Connections._once(worker, requests.Session(), "http://a/x", span)
    half.spans = [span, span]
    answer: Any = SimpleNamespace(validator=None, response=SimpleNamespace(status_code=206), total=None)
    with pytest.raises(NotResumable, match="gives no ranges of an object that it names"):
        Connections._check_object(worker, "http://a/x", answer, span, whole=False)
    with pytest.raises(NotResumable, match="a: HTTP 404, and the other mirrors cannot resume"):
        Connections._without(worker, "http://a/x", "HTTP 404")
    with pytest.raises(NotResumable, match="stalled, too often, and the other mirrors cannot resume"):
        Connections._give_up(worker, "stalled", "check the network")
