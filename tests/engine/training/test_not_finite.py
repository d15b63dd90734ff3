"""NaN and infinity beyond one step: in the weights, in a whole epoch, in the validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.tiny_runs import step_rows
from tests.engine.training.test_step import make
from tests.printed import ODD, Printed
from vision.artefacts import log
from vision.engine.checkpoints import checkpoint
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.state import TrainState
from vision.engine.training import loop, step
from vision.engine.training.not_finite import NotFinite


@pytest.fixture
def line(tiny: list[str], tmp_path: Path) -> list[Any]:
    return [*tiny, "--checkpoint-folder", tmp_path / "run", "--save-every-steps=1", "--resume=auto"]


def spoil_after(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The update of that step makes a weight infinite, as one that overflows does."""
    update = step._update

    def spoiling(state: TrainState) -> None:
        update(state)
        if state.step + 1 == number:
            with torch.no_grad():
                next(state.model.parameters())[0] = float("inf")

    monkeypatch.setattr(step, "_update", spoiling)


@pytest.mark.parametrize(("nan", "every"), [("stop", 1), ("skip", 1), ("skip", 1000), ("stop", 1000)])
def test_spoiled_weights_end_the_run_and_are_never_saved(
    train: Callable[..., int], tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Printed,
    capfd: pytest.CaptureFixture[str], nan: str, every: int,
) -> None:  # fmt: skip
    """No later step could be taken, so --nan skip does not go on either; good checkpoints are not pushed out."""
    run, healthy = tmp_path / ODD, step._update
    line = [*tiny, "--checkpoint-folder", run, f"--nan={nan}", f"--save-every-steps={every}", "--resume=auto"]
    assert train(*line, "--stop-after-step", 2) == 0
    spoil_after(3, monkeypatch)
    assert train(*line) == 1
    said = capfd.readouterr().err
    assert "not finite, base_net" in said
    assert "The last checkpoint is good, resume from it: python" in said
    kept = checkpoint.find(run)
    assert checkpoint.load(kept).step == 2, "which refuses what is not finite"
    monkeypatch.setattr(step, "_update", healthy)
    printed(said, "vision/engine/checkpoints/find_runs.py:resume_with", "--stop-after-step", 5)
    assert [row["step"] for row in step_rows(run)] == [1, 2, 3, 4, 5]


def test_without_a_checkpoint_none_is_promised(
    train: Callable[..., int],
    line: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    spoil_after(1, monkeypatch)
    assert train(*line) == 1
    said = capfd.readouterr().err
    assert "There is no checkpoint yet." in said and "--resume" not in said


def test_an_epoch_of_skipped_steps_ends_the_run(
    train: Callable[..., int],
    line: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(step, "is_finite_step", lambda losses, state: False)
    assert train(*line, "--nan=skip") == 1
    assert "no step of 4 was finite, so each was skipped" in capfd.readouterr().err


@pytest.mark.parametrize(("nan", "status"), [("stop", 1), ("skip", 0)])
def test_a_validation_that_is_not_finite(
    train: Callable[..., int], line: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str], nan: str, status: int,
) -> None:  # fmt: skip
    validate = loop.validate

    def overflowing(*arguments: Any) -> dict[str, float]:
        return {**validate(*arguments), "val_loss": float("inf")}

    monkeypatch.setattr(loop, "validate", overflowing)
    assert train(*line, f"--nan={nan}", "--stop-after-epoch=1") == status
    out, err = capfd.readouterr()
    assert "epoch 0: the validation's val_loss" in out + err
    if status == 0:
        [row] = [row for row in log.read(tmp_path / "run" / "metrics.jsonl") if row["kind"] == "epoch"]
        assert "val_loss" not in row and "val_localization" in row
        assert checkpoint.load(checkpoint.find(tmp_path / "run")).best == {}


@pytest.mark.parametrize("averaged", [False, True])
def test_such_weights_are_not_even_written(tmp_path: Path, averaged: bool) -> None:
    """A reader would refuse them, but good ones would have been removed for them."""
    state, session = make(ema=0.5)
    spoiled = state.evaluated_model if averaged else state.model
    with torch.no_grad():
        next(spoiled.parameters())[0, 0, 0, 0] = float("nan")
    with pytest.raises(
        NotFinite, match="1 weight is not finite, " + ("ema.base_net" if averaged else "base_net")
    ):
        loop.save(state, replace(session, run=RunFolder(tmp_path)))
    assert not list(tmp_path.iterdir())
