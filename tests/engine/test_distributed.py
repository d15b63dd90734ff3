"""Several processes on one machine (gloo) against one process with the same global batch."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.runs import TINY, step_rows
from tests.engine.test_interrupt import REPOSITORY, wait_for_step
from vision.artefacts import log
from vision.engine.checkpoint import find, load

FIXED = ("--freeze-bn", "--ema=0", "--validation-map=true", "--epochs=2")
"""Batch statistics of a process are those of its share, so equality needs them fixed."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    values = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    if values.pop("PYTHONDONTWRITEBYTECODE", None):
        values["PYTHONPYCACHEPREFIX"] = str(REPOSITORY / ".pytest_cache" / "bytecode")
    return values


def start_ranks(world: int, *words: object) -> list[subprocess.Popen[str]]:
    """What torchrun starts, without the launcher, so that single ranks can be looked at."""
    port = str(free_port())
    return [
        subprocess.Popen(
            [sys.executable, "train_ssd.py", *map(str, words)],
            cwd=REPOSITORY,
            env=environment()
            | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
            | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(world)
    ]


def ends(processes: list[subprocess.Popen[str]], limit_s: float = 120) -> list[tuple[int, str]]:
    try:
        said = [process.communicate(timeout=limit_s)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def assert_close_runs(run: Path, reference: Path) -> None:
    """The same steps and evaluation up to the order of sums."""
    rows, expected = step_rows(run), step_rows(reference)
    assert [row["step"] for row in rows] == [row["step"] for row in expected]
    assert [row["positives"] for row in rows] == [row["positives"] for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-3)
    a, b = load(find(run)), load(find(reference))
    for name, tensor in b.weights.items():
        torch.testing.assert_close(a.weights[name], tensor, rtol=1e-2, atol=1e-3)
    assert validation(run) == pytest.approx(validation(reference), rel=1e-2, abs=1e-3)


def validation(run: Path) -> dict[str, Any]:
    rows = [row for row in log.read(run / "metrics.jsonl") if row["kind"] == "epoch"]
    assert [row["epoch"] for row in rows] == [0, 1]
    return {key: value for key, value in rows[-1].items() if key.startswith(("val_", "AP", "AR"))}


@pytest.fixture(scope="module")
def alone(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from train_ssd import main

    run = tmp_path_factory.mktemp("alone") / "run"
    assert main(["--datasets", str(miniature_root), *TINY, *FIXED, "--checkpoint-folder", str(run)]) == 0
    return run


def test_two_launchers_that_meet_are_one_process(tiny: list[str], alone: Path, tmp_path: Path) -> None:
    """Two torchrun, as on two nodes, with a rendezvous on loopback."""
    run, port = tmp_path / "run", free_port()
    line = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    line += ["--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}", "--rdzv-id=test"]
    line += ["train_ssd.py", *tiny, *FIXED, "--checkpoint-folder", str(run)]
    launchers = [
        subprocess.Popen(
            line,
            cwd=REPOSITORY,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    for status, said in ends(launchers):
        assert status == 0, said
    assert_close_runs(run, alone)
    assert load(find(run)).world_size == 2


def test_a_signal_to_one_stops_all_at_one_step_and_others_go_on(
    tiny: list[str], train: Callable[..., int], alone: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    line = [*tiny, *FIXED, "--checkpoint-folder", run, "--resume=auto", "--debug-steps=1"]
    processes = start_ranks(3, *line)
    wait_for_step(run, 2, processes[0])
    processes[1].send_signal(signal.SIGTERM)
    for status, said in ends(processes):
        assert status == 143, said
    stopped = load(find(run))
    assert stopped.world_size == 3 and 2 <= stopped.step < 8
    assert step_rows(run)[-1]["step"] == stopped.step
    assert train(*line) == 0
    assert_close_runs(run, alone)


def test_the_peers_of_a_killed_one_leave_and_the_next_start_goes_on(
    tiny: list[str], train: Callable[..., int], alone: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    line = [
        *tiny,
        *FIXED,
        "--checkpoint-folder",
        run,
        "--resume=auto",
        "--debug-steps=1",
        "--save-every-steps=1",
    ]
    processes = start_ranks(2, *line)
    wait_for_step(run, 2, processes[0])
    processes[1].kill()
    (status, said), _ = ends(processes, limit_s=60)
    assert status == 1 and "another process" in said, said
    assert train(*line) == 0
    assert_close_runs(run, alone)
