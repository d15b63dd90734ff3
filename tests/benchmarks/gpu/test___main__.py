"""All measurements of a GPU in one command: what it makes, in which order, what it leaves out, and its table."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu import __main__ as benchmark
from benchmarks.gpu.__main__ import QUICK, WAYS, WHOLE

REPOSITORY, CPU = Path(__file__).resolve().parents[3], torch.device("cpu")
ROW = {"step_s": 0.5, "waiting": 0.25, "idle": 0.1, "bytes": 3e9, "first_step_s": 7.0, "steps": 5}


def test_the_table_counts_what_it_says() -> None:
    rows: dict[tuple[str, str], Any] = {("eager", "jpeg"): ROW, ("amp", "jpeg"): "no such | option"}
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
    monkeypatch.setattr(benchmark, "make_data", lambda folder, plan: folder)
    monkeypatch.setattr(benchmark, "run", lambda *asked: ROW)
    plan = dataclasses.replace(WHOLE, limit_s=60 * minutes - 1)
    rows = benchmark.measured(tmp_path, plan, CPU)
    assert set(rows) == {(way, feed) for way in WAYS for feed in plan.feeds} and len(plan.feeds) == 4
    assert all((row == ROW) == (minutes > 0) for row in rows.values())
    assert next(iter(rows)) == ("amp, channels_last", "device:yuv420-384"), "what matters most comes first"


def test_a_run_that_fails_is_a_row_with_its_reason(tmp_path: Path) -> None:
    found = benchmark.run(tmp_path, tmp_path / "nowhere", QUICK, "cpu", "eager", "jpeg")
    assert isinstance(found, str) and found


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
    assert said.count("| device:yuv420-96 |") == 2 and "% of " in said
