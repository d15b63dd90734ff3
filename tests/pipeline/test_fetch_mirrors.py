"""Several mirrors, back-off, room: one that can not go on is passed over as long as another one can."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import fetch, part
from pipeline.download import main
from pipeline.fetch import Fetch, backoff_s
from pipeline.stage import StageError
from tests.pipeline.fault_server import FaultServer, serving

WAYS = [1, 4]


@pytest.fixture
def no_ranges(fault_server: FaultServer) -> Iterator[FaultServer]:
    """A second mirror of the same file that never gives ranges; slow, so that what is not wanted is not counted."""
    with serving(fault_server.body) as second:
        second.always, second.pause_s = "ignore range", 0.01
        yield second


def urls(*servers: FaultServer) -> list[str]:
    return [f"{server.url}/file.zip" for server in servers]


@pytest.mark.parametrize("connections", WAYS)
def test_a_blip_of_a_good_mirror_throws_nothing_away(
    make_fetch: Callable[..., Fetch],
    fault_server: FaultServer,
    no_ranges: FaultServer,
    tmp_path: Path,
    connections: int,
) -> None:
    make_fetch(("cut",), urls=urls(fault_server, no_ranges), connections=connections).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
    assert fault_server.served == len(fault_server.body), "all of it came from the first, once"
    assert len(no_ranges.requests) <= connections, "asked, and then not again"


def test_begun_again_only_when_the_mirror_that_could_go_on_has_failed_its_tries(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, no_ranges: FaultServer, tmp_path: Path
) -> None:
    fault_server.always = "drop before"
    said: list[str] = []
    make_fetch(("cut",), urls=urls(fault_server, no_ranges), say=said.append).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
    assert len(fault_server.requests) == fetch.TRIES, "the cut is the first of them"
    assert sum("beginning again" in line for line in said) == 1
    assert no_ranges.requests[-1] is None and len(no_ranges.requests) == 2


def test_when_no_mirror_can_go_on_it_begins_again(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, no_ranges: FaultServer, tmp_path: Path
) -> None:
    make_fetch(("cut", "ignore range"), urls=urls(fault_server, no_ranges)).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


def test_after_a_wrong_digest_the_next_mirror_is_asked(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path
) -> None:
    with serving(fault_server.body[::-1]) as wrong:
        make_fetch((), urls=urls(wrong, fault_server)).run()
        assert len(wrong.requests) == 1
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


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


# ---------------------------------------------------------------- what can never work


def own(server: FaultServer, output: Path, *more: str) -> list[str]:
    return ["--url", f"{server.url}/x", "--sha256", server.sha256, "--output", str(output), *more]


def test_a_wrong_size_is_found_out_at_once(
    fault_server: FaultServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    assert main(own(fault_server, tmp_path / "own.bin", "--bytes", "5")) == 1
    assert time.monotonic() - began < 3 and len(fault_server.requests) <= 2
    said = capsys.readouterr().err
    assert "700,000 bytes instead of 5" in said and "a second --url" in said and "--mirror" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "notaurl", "gopher://x/y", "http://", "http://[bad", ""]
)
def test_an_address_that_can_never_work_is_refused(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--url", url, "--sha256", "0" * 64, "--output", str(tmp_path / "x")])
    assert end.value.code == 2 and "expected http" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "ignored", [["--root", "x"], ["--splits", "val"], ["--classes", "person"], ["--mirror", "http://x"], ["--release", "x"],
                ["--force"], ["--no-wait"], ["--parallel", "2"], ["--thorough"], ["--workers=2"]],
)  # fmt: skip
def test_what_a_single_file_would_ignore_is_refused(
    ignored: list[str], fault_server: FaultServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(own(fault_server, tmp_path / "x", *ignored))
    assert end.value.code == 2 and f"{ignored[0].split('=')[0]}: " in capsys.readouterr().err
    assert not fault_server.requests


def test_a_refusal_says_where_the_bytes_are_or_leaves_none(
    fault_server: FaultServer,
    make_fetch: Callable[..., Fetch],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "own.bin"
    fault_server.always = "404"
    fault_server.faults = ["cut"]
    assert main(own(fault_server, output)) == 1
    assert f"350,000 bytes stay in {output}.part" in capsys.readouterr().err
    assert Path(f"{output}.part").exists()
    Path(f"{output}.part").unlink()
    Path(f"{output}.part.jsonl").unlink()
    fault_server.etag, fault_server.faults = "", ["cut"]
    assert main(own(fault_server, output)) == 1
    assert ".part" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


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
