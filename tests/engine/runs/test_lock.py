"""One trainer a run folder, and the folder is free as soon as its trainer is gone, however it went."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from vision.engine import machine
from vision.engine.checkpoints.checkpoint import find, load
from vision.engine.runs.lock import RunInUse, run_lock

HOLDER = """
import os, sys, time
from pathlib import Path
from vision.engine import machine
from vision.engine.checkpoints.checkpoint import find, load
from vision.engine.runs.lock import run_lock
with run_lock(Path(sys.argv[1])):
    if os.fork() == 0:  # a data worker that outlives its trainer
        time.sleep(60)
    print("holds", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path, repository: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    process = warm.Popen(command, stdout=subprocess.PIPE, text=True, cwd=repository)
    assert process.stdout is not None and process.stdout.readline() == "holds\n"
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_second_trainer_is_told_who_is_there_and_changes_nothing(
    holder: subprocess.Popen[str], train: Callable[..., int], tiny: list[str], tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run = tmp_path / "run"
    assert train(*tiny, "--checkpoint-folder", run, "--resume=auto") == 1
    said = capfd.readouterr().err
    assert f"{run}: process {holder.pid} on" in said and "another --checkpoint-folder" in said
    assert [path.name for path in run.iterdir()] == [".lock"]


def test_a_killed_trainer_holds_nothing_though_its_workers_live(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    with pytest.raises(RunInUse), run_lock(tmp_path / "run"):
        pass
    holder.kill()
    holder.wait()
    with run_lock(tmp_path / "run"):
        pass


def test_it_is_free_after_the_end_and_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), run_lock(tmp_path / "run"):
        _ = 1 / 0
    with run_lock(tmp_path / "run"):
        pass


def test_what_was_planned_before_another_session_ended_is_not_done(
    train: Callable[..., int], tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Both plan from step 2; while the second one still waits for its peers, the first one goes on and ends."""
    line = [*tiny, "--checkpoint-folder", tmp_path / "run", "--resume=auto"]
    assert train(*line, "--stop-after-step", 2) == 0
    prepare, first = machine.prepare, []

    def prepared_late(*arguments: Any) -> Any:
        if not first:
            first.append(True)
            assert train(*line, "--stop-after-step", 6) == 0
        return prepare(*arguments)

    monkeypatch.setattr(machine, "prepare", prepared_late)
    assert train(*line, "--stop-after-step", 3) == 1
    assert "has trained there meanwhile" in capfd.readouterr().err
    assert load(find(tmp_path / "run")).step == 6
    assert train(*line, "--stop-after-step", 7) == 0
