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
from vision.datasets.coco import CocoDetection
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


def test_a_session_that_writes_nothing_leaves_no_folder(tmp_path: Path) -> None:
    run, there = tmp_path / "models/my/run", tmp_path / "there"
    there.mkdir()
    for folder in (run, there):
        with pytest.raises(ZeroDivisionError), run_lock(folder):
            assert (folder / ".lock").is_file()
            _ = 1 / 0
    assert [path.name for path in tmp_path.iterdir()] == ["there"] and not list(there.iterdir())
    with run_lock(run):
        (run / "labels.txt").touch()
    assert {path.name for path in run.iterdir()} == {".lock", "labels.txt"}
    with run_lock(run.parent / "another"), run_lock(run.parent / "third"):
        pass
    assert [path.name for path in run.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("wrong", ["no folder", "no data", "no box"])
def test_a_refused_training_leaves_no_folder(
    wrong: str, train: Callable[..., int], tiny: list[str], miniature_root: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    root = tmp_path / wrong
    if wrong == "no data":
        root.mkdir()
    if wrong == "no box":
        root = miniature_root
        monkeypatch.setattr(CocoDetection, "columns", lambda self, *names: [()] * len(names))
    assert train(*tiny, "--datasets", root, "--checkpoint-folder", tmp_path / "models/run") == 1
    assert not (tmp_path / "models").exists()


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
