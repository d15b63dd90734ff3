"""What a log sees of a long transfer: plain lines with share, rate and time to go."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from pipeline.download.__main__ import main
from pipeline.transfer import progress
from pipeline.transfer.progress import Progress, size
from tests.pipeline.fault_server import FaultServer


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_a_line_now_and_then(clock: Time) -> None:
    said: list[str] = []
    with Progress("download", 100_000_000, said.append) as shown:
        shown.update(40_000_000)  # was here before
        for _ in range(40):
            clock.now += 1.0
            shown.update(500_000)
    assert said == [
        "download: 45.0 % of 100.0 MB  500.0 kB/s  ETA 0:01:50",
        "download: 50.0 % of 100.0 MB  500.0 kB/s  ETA 0:01:40",
        "download: 55.0 % of 100.0 MB  500.0 kB/s  ETA 0:01:30",
        "download: 60.0 % of 100.0 MB  500.0 kB/s  ETA 0:01:20",
    ]


def test_what_has_to_come_again_is_taken_back(clock: Time) -> None:
    said: list[str] = []
    with Progress("download", 1_000_000, said.append) as shown:
        shown.update(500_000)
        shown.update(-500_000)
        clock.now += 20
        shown.update(100_000)
    assert said == ["download: 10.0 % of 1.0 MB  30.0 kB/s  ETA 0:00:30"]


def test_a_size_that_is_told_later(clock: Time) -> None:
    said: list[str] = []
    with Progress("download", None, said.append) as shown:
        shown.expect(1_000_000)
        clock.now += 20
        shown.update(100_000)
    assert said == ["download: 10.0 % of 1.0 MB  5.0 kB/s  ETA 0:03:00"]


def test_without_a_size_it_says_what_is_here(clock: Time) -> None:
    said: list[str] = []
    with Progress("file.zip", None, said.append) as shown:
        clock.now += 10
        shown.update(1000)
    assert said == ["file.zip: 1.0 kB  100 B/s"]


def test_sizes() -> None:
    assert [size(count) for count in (0, 999, 1500, 2e6, 19_336_861_798)] == [
        "0 B", "999 B", "1.5 kB", "2.0 MB", "19.34 GB",
    ]  # fmt: skip


def test_on_a_terminal_there_is_a_bar_and_no_line(monkeypatch: pytest.MonkeyPatch, clock: Time) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, said = Terminal(), [""][:0]
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("file.zip", 2000, said.append) as shown:
        clock.now += 60
        shown.update(1000)
    assert not said and "file.zip: " in terminal.getvalue()


def test_a_download_into_a_log_shows_where_it_is(
    fault_server: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.05)
    fault_server.pause_s = 0.01
    words = [
        "--url",
        f"{fault_server.url}/x",
        "--sha256",
        fault_server.sha256,
        "--output",
        str(tmp_path / "x"),
    ]
    assert main([*words, "--bytes", str(len(fault_server.body))]) == 0
    lines = re.findall(
        r"^x: \d+\.\d % of 700\.0 kB  \S+ \w+/s  ETA 0:00:\d\d$", capsys.readouterr().out, re.M
    )
    assert len(lines) >= 3
