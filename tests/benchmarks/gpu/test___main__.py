"""All measurements of a GPU in one command: what it makes, in which order, what it leaves out, and its table."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu import __main__ as benchmark
from benchmarks.gpu.__main__ import BEST, QUICK, WAYS, WHOLE

REPOSITORY, CPU = Path(__file__).resolve().parents[3], torch.device("cpu")
ROW = {"step_s": 0.5, "waiting": 0.25, "idle": 0.1, "bytes": 3e9, "first_step_s": 7.0, "steps": 5}


def test_the_table_counts_what_it_says() -> None:
    rows: dict[tuple[str, str], Any] = {("amp", "jpeg"): "no such | option", ("eager", "jpeg"): ROW}
    moved = benchmark.moved_bytes(300, "eager", CPU)
    assert moved == benchmark.moved_bytes(300, "amp", torch.device("cuda")) * 2 == 13_202_424 * 5 * 4
    text = benchmark.table(rows, WHOLE, 512 * moved, CPU)
    assert text[2].split(" | ")[2:] == [
        "256.0", "25%", "10%", "3.00", "7.0", "50% of 512", f"{118_287 / 256 / 60:.1f}", f"{118_287 / 256 / 12:.1f} |"
    ]  # fmt: skip
    assert "no such" in text[3] and text[3].count("|") == text[2].count("|") + 1, "the reason keeps its word"


@pytest.mark.parametrize("minutes", [0, 9])
def test_every_way_and_feed_once_or_left_out_by_name(
    minutes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(benchmark, "make_data", lambda folder, plan: folder)
    monkeypatch.setattr(benchmark, "run", lambda *asked: ROW)
    plan = dataclasses.replace(WHOLE, whole_s=60 * minutes)
    rows = benchmark.measured(
        tmp_path, plan, torch.device("cuda"), time.monotonic(), lambda rows: told.append(len(rows))
    )
    assert set(rows) == {(way, feed) for way in WAYS for feed in plan.feeds} and len(plan.feeds) == 5
    assert all((row == ROW) == (minutes > 0) for row in rows.values())
    assert told == ([*range(1, len(rows) + 1), len(rows)] if minutes else [len(rows)]), (
        "what is there, each time"
    )


def test_what_is_worth_most_comes_first() -> None:
    runs = WHOLE.runs
    assert runs[:5] == [(BEST, feed) for feed in WHOLE.feeds] and WHOLE.feeds[0] == "device:yuv420-384"
    assert [feed for _, feed in runs[5:10]] == [WHOLE.feeds[0]] * 5, "then every way by the fastest feed"
    assert ["compile" in way for way, _ in runs[5:10]] == [False, False, False, True, True]
    assert len(runs) == len(set(runs)) == len(WAYS) * 5


def test_a_run_has_no_more_time_than_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []
    monkeypatch.setattr(benchmark, "make_data", lambda folder, plan: folder)
    monkeypatch.setattr(benchmark, "run", lambda *asked: limits.append(asked[-1]) or "broken")
    began = time.monotonic() - WHOLE.whole_s + 50
    rows = benchmark.measured(tmp_path, WHOLE, torch.device("cuda"), began, lambda rows: None)
    assert max(limits) <= 50 and set(rows.values()) == {"broken"}, "one that is broken does not end the rest"
    rows = benchmark.measured(tmp_path, WHOLE, CPU, time.monotonic(), lambda rows: None)
    assert max(limits) == WHOLE.compiled_s
    assert {row for (way, _), row in rows.items() if "graphs" in way} == {"left out: no GPU"}


def test_a_run_that_fails_is_a_row_with_its_reason(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = benchmark.run(tmp_path, tmp_path / "nowhere", QUICK, "cpu", "eager", "jpeg", 100)
    assert isinstance(found, str) and found.startswith("train_ssd.py: ") and "nowhere" in found
    assert "  fix: " in capfd.readouterr().err


def test_a_run_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "WORKER", "import subprocess; subprocess.run(['sleep', '60'])")
    began = time.monotonic()
    assert benchmark.run(tmp_path, tmp_path, QUICK, "cpu", "eager", "jpeg", 1) == "ended after 1 s"
    assert time.monotonic() - began < 20


def test_a_reason_is_a_line() -> None:
    assert benchmark._reason("Traceback\n  File x\nValueError: a | b\n", 1) == "ValueError: a / b"
    assert benchmark._reason("train_ssd.py: no room\n  why: x\n  fix: y\n", 1) == "train_ssd.py: no room"
    assert benchmark._reason("", -9) == "ended with -9"


def test_the_batch_is_one_that_fits() -> None:
    assert [benchmark.batch_for(gb * 1e9) for gb in (80, 24, 15, 8, 0.1)] == [128, 64, 64, 32, 4]


def test_the_last_line_says_what_to_take() -> None:
    rows: dict[tuple[str, str], Any] = {
        ("eager", "jpeg"): ROW,
        (BEST, "device:x by a ring"): {**ROW, "step_s": 0.1},
    }
    assert benchmark.fastest(rows, WHOLE).endswith("by `--amp=auto --channels-last=true --feed device:x`")
    assert "1,280.0 images/s" in benchmark.fastest(rows, WHOLE)
    assert benchmark.fastest({("eager", "jpeg"): "broken"}, WHOLE) == "nothing was measured"


def test_without_a_gpu_only_quick(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        benchmark.main(["--device", "cpu"])
    assert left.value.code == 2 and "--quick" in capsys.readouterr().err


def test_the_script_finds_the_repository(tmp_path: Path) -> None:
    said = subprocess.run(
        ["bash", str(REPOSITORY / "benchmarks/gpu.sh"), "--help"],
        cwd=tmp_path, env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "--quick" in said and said.startswith("usage: benchmarks/gpu.sh")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_all_of_it_tiny_on_the_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(["--quick", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert said.count("| device:yuv420-96 |") == said.count("| device:yuv420-96 by a ring |") == 2
    assert said.count("% of ") >= 1 and "Fastest: " in said, "a slow machine has no time for all"
