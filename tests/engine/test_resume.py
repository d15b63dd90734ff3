"""A run that was stopped and resumed is the run that was never stopped, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.runs import TINY, assert_same_run, end_state, step_rows
from vision.engine.run_folder import RunFolder

Train = Callable[..., int]


@pytest.fixture(scope="module")
def uninterrupted(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 epochs of 4 steps at one go."""
    from train_ssd import main

    run = tmp_path_factory.mktemp("uninterrupted") / "run"
    assert main(["--datasets", str(miniature_root), *TINY, "--checkpoint-folder", str(run)]) == 0
    assert [row["step"] for row in step_rows(run)] == list(range(1, 17))
    return run


@pytest.mark.parametrize("workers", [0, 2])
def test_resume_at_an_epoch_boundary(
    workers: int, train: Train, tiny: list[str], uninterrupted: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert train(*tiny, "--checkpoint-folder", run, "--workers", workers, "--stop-after-epoch", 2) == 0
    assert end_state(run)["step"] == 8
    assert train("--resume", run) == 0
    assert_same_run(run, uninterrupted)


@pytest.mark.parametrize("stops", [(3,), (4, 5), (1, 2, 9)])
def test_resume_at_any_step(
    stops: tuple[int, ...], train: Train, tiny: list[str], uninterrupted: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for stop in stops:
        line = [*tiny, "--checkpoint-folder", run, "--resume", "auto", "--stop-after-step", stop]
        assert train(*line) == 0
        assert end_state(run)["step"] == stop
    assert train("--resume", run) == 0
    assert_same_run(run, uninterrupted)


def test_a_resume_from_an_older_file_moves_later_records_aside(
    train: Train, tiny: list[str], uninterrupted: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert train(*tiny, "--checkpoint-folder", run) == 0
    second = RunFolder(run).records()[1].file
    assert train("--resume", run / second) == 0
    assert_same_run(run, uninterrupted)
    moved = (run / "metrics.1.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in moved if '"step",' in line] == list(range(9, 17))
    assert len(json.loads((run / "checkpoints.1.json").read_text())["checkpoints"]) == 2


def test_tensorboard_has_every_step_once(train: Train, tiny: list[str], tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    run = tmp_path / "run"
    for stop in (3, 6):
        assert train(*tiny, "--checkpoint-folder", run, "--resume", "auto", "--stop-after-step", stop) == 0
    (run / RunFolder(run).records()[-1].file).write_bytes(b"")  # its three steps have to be made again
    assert train("--resume", run) == 0
    steps = [
        event.step
        for path in sorted(run.glob("events.out.tfevents.*"))
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
        if value.tag == "train/loss"
    ]
    assert sorted(steps) == list(range(1, 17))
