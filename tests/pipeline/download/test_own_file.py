"""A file of the user's own: by real processes, killed, interrupted, out of disk; never the wrong bytes under its name."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.download.__main__ import main
from pipeline.transfer.fetch import Fetch
from tests import warm
from tests.faults.harness import BROKEN, FULL, KILL, REPOSITORY, Shim, killed_after, python, snapshot, spread
from tests.pipeline.fault_server import FaultServer, serving

MIB = 1 << 20


@pytest.fixture(scope="module")
def large() -> Iterator[FaultServer]:
    """At most 8 MB/s a connection, so that a kill finds little on its way."""
    with serving(random.Random(0).randbytes(16 * MIB)) as server:
        server.pause_s = 0.002
        yield server


SMALL_SPANS = """
import sys
from pipeline.download.__main__ import main
from pipeline.transfer import fetch
fetch.SPAN_BYTES = 1 << 17  # so that a small file has several
sys.exit(main(sys.argv[1:]))
"""


def words(server: FaultServer, output: Path, *more: str) -> list[str]:
    return ["--url", f"{server.url}/own.bin", "--sha256", server.sha256, "--output", str(output), *more]


def command(server: FaultServer, output: Path, *more: str) -> list[str]:
    return python("-c", SMALL_SPANS, *words(server, output, *more))


def run(server: FaultServer, output: Path, *more: str) -> int:
    return main(words(server, output, *more))


def test_fetched_and_then_found(
    fault_server: FaultServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "own.bin"
    assert run(fault_server, output) == 0
    assert output.read_bytes() == fault_server.body
    assert run(fault_server, output, "--bytes", str(len(fault_server.body))) == 0
    assert "already there" in capsys.readouterr().out
    assert len(fault_server.requests) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["own.bin"]


def test_a_file_of_that_name_with_another_content_stays(
    fault_server: FaultServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "own.bin"
    output.write_bytes(b"its owner's")
    assert run(fault_server, output) == 1
    assert "is there and is not replaced" in (said := capsys.readouterr().err) and "another --output" in said
    assert not fault_server.requests and os.listdir(tmp_path) == ["own.bin"]
    assert output.read_bytes() == b"its owner's"


def test_a_file_that_comes_while_the_bytes_do_stays(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, wrong = tmp_path / "own.bin", Fetch._wrong

    def meanwhile(job: Fetch, *arguments: Any) -> str | None:
        output.write_bytes(b"its owner's")
        return wrong(job, *arguments)

    monkeypatch.setattr(Fetch, "_wrong", meanwhile)
    assert run(fault_server, output) == 1 and output.read_bytes() == b"its owner's"
    monkeypatch.undo()
    output.rename(tmp_path / "moved")
    assert run(fault_server, output) == 0 and output.read_bytes() == fault_server.body
    assert len(fault_server.requests) == 1, "what had come was kept"


@pytest.mark.parametrize(
    "given",
    [
        ["--url", "http://x/y"],
        ["--url", "http://x/y", "--sha256", "0" * 63, "--output", "z"],
        ["--sha256", "0" * 64, "--output", "z"],
        ["--url", "http://x/y", "--sha256", "0" * 64, "--output", "z", "--bytes", "0"],
        ["--url", "http://x/y", "--sha256", "0" * 64, "--output", "-"],
    ],
)
def test_what_is_missing_or_malformed_is_said(given: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(given)
    assert stopped.value.code == 2


def test_what_is_in_the_way_is_said(
    fault_server: FaultServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    for output in (tmp_path / "folder", tmp_path / "no" / "own.bin"):
        assert run(fault_server, output) == 1
        assert "fix:" in capsys.readouterr().err
    assert run(fault_server, tmp_path / "own.bin", "--bytes", str(1 << 60)) == 1
    assert "not enough space" in capsys.readouterr().err


def test_only_one_process_fetches_it(
    fault_server: FaultServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    working = tmp_path / ".own.bin.downloading"
    working.mkdir()
    descriptor = os.open(working, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert run(fault_server, tmp_path / "own.bin") == 1
    os.close(descriptor)
    assert "another process is making" in capsys.readouterr().err
    assert fault_server.requests == []


@pytest.mark.parametrize("connections", ["1", "4"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_in_time_even_while_the_server_hangs(
    fault_server: FaultServer, tmp_path: Path, number: int, code: int, connections: str
) -> None:
    fault_server.always = "hang"
    process = warm.Popen(
        command(fault_server, tmp_path / "own.bin", "--connections", connections),
        light=True, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 20
    while not fault_server.requests and time.monotonic() < until:
        time.sleep(0.02)
    began = time.monotonic()
    process.send_signal(number)
    errors = process.communicate(timeout=20)[1]
    assert time.monotonic() - began < 5
    assert process.returncode == code and "resume" in errors and "Traceback" not in errors


# ---------------------------------------------------------------- what can never work


def test_a_wrong_size_is_found_out_at_once(
    fault_server: FaultServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    assert main(words(fault_server, tmp_path / "own.bin", "--bytes", "5")) == 1
    assert time.monotonic() - began < 3 and len(fault_server.requests) <= 2
    said = capsys.readouterr().err
    assert "700,000 bytes instead of 5" in said and "a second --url" in said and "--mirror" not in said
    assert "check --bytes" in said and "network" not in said and "--release" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "notaurl", "gopher://x/y", "http://", "http://[bad", " "]
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
        main(words(fault_server, tmp_path / "x", *ignored))
    assert end.value.code == 2 and f"{ignored[0].split('=')[0]}: " in capsys.readouterr().err
    assert not fault_server.requests


def test_a_refusal_says_where_the_bytes_are_or_leaves_none(
    fault_server: FaultServer,
    no_patience: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "own.bin"
    fault_server.always = "404"
    fault_server.faults = ["cut"]
    assert main(words(fault_server, output)) == 1
    assert f"350,000 bytes stay in {output}.part" in capsys.readouterr().err
    assert Path(f"{output}.part").exists()
    Path(f"{output}.part").unlink()
    Path(f"{output}.part.jsonl").unlink()
    fault_server.etag, fault_server.faults = "", ["cut"]
    assert main(words(fault_server, output)) == 1
    assert ".part" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- killed


def kill_until_done(server: FaultServer, folder: Path, draw: random.Random, connections: str) -> int:
    """Kills at random moments until a run gets through; asserts what may be served in all. Returns the kills."""
    output = folder / "own.bin"
    line = command(server, output, "--bytes", str(len(server.body)), "--connections", connections)
    before, kills = server.served, 0
    while not output.exists():
        if killed_after(line, draw.uniform(0.15, 0.6)):
            kills += 1
        if kills % 8 == 7:
            assert warm.run(line, light=True, cwd=REPOSITORY, capture_output=True).returncode == 0
    assert output.read_bytes() == server.body
    assert server.served - before <= 1.05 * len(server.body) + kills * MIB
    assert warm.run(line, light=True, cwd=REPOSITORY, capture_output=True).returncode == 0
    assert [path.name for path in folder.iterdir()] == ["own.bin"], "the last run clears what kills left"
    output.unlink()
    return kills


@pytest.mark.parametrize("connections", ["1", "4"])
def test_killed_at_random_moments_nothing_is_served_twice(
    large: FaultServer, tmp_path: Path, connections: str
) -> None:
    kill_until_done(large, tmp_path, random.Random(5), connections)


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_a_hundred_times_nothing_is_served_twice(
    large: FaultServer, tmp_path: Path, seed: int
) -> None:
    draw, kills = random.Random(seed), 0
    while kills < 100:
        kills += kill_until_done(large, tmp_path, draw, draw.choice(["1", "2", "4", "8"]))


@pytest.mark.parametrize("what", [KILL, FULL, BROKEN])
@pytest.mark.parametrize("connections", ["1", "4"])
def test_killed_or_out_of_disk_at_any_change(
    fault_server: FaultServer, tmp_path: Path, shim: Shim, what: str, connections: str
) -> None:
    check_changes(fault_server, tmp_path / "under", shim, what, connections, points=3)


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("what", [KILL, FULL, BROKEN])
@pytest.mark.parametrize("connections", ["1", "4"])
def test_killed_or_out_of_disk_at_every_change(
    fault_server: FaultServer, tmp_path: Path, shim: Shim, what: str, connections: str
) -> None:
    check_changes(fault_server, tmp_path / "under", shim, what, connections, points=1_000)


def check_changes(
    server: FaultServer, folder: Path, shim: Shim, what: str, connections: str, points: int
) -> None:
    output = folder / "own.bin"
    folder.mkdir()
    line = command(server, output, "--connections", connections, "--bytes", str(len(server.body)))
    total = shim.count(line, folder)
    for at in spread(total, points, seed=7):
        shutil.rmtree(folder)
        folder.mkdir()
        done = shim.run(line, folder, at, what)
        assert not output.exists() or output.read_bytes() == server.body
        if what != KILL and done.returncode:
            assert done.returncode == 1 and "fix:" in done.stderr and "Traceback" not in done.stderr, (
                done.stderr
            )
        assert run(server, output) == 0
        assert output.read_bytes() == server.body
        assert list(snapshot(folder)) == ["own.bin"]


def test_a_digest_or_an_output_that_can_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--url", "http://127.0.0.1:9/x", "--bytes", "1", "--output", str(tmp_path)]
    with pytest.raises(SystemExit):
        main([*words, "--sha256", "xyz"])
    assert "'xyz': expected 64 hex digits" in capsys.readouterr().err
    assert main([*words, "--sha256", "0" * 64]) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path} is a folder" in said and "name a file in it" in said
