"""Validation: when it is due, what it computes, and of which weights; and what the loop's network is wrapped in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.runs import assert_same_run, step_rows
from vision.artefacts import log


def epoch_rows(run: Path) -> list[dict[str, Any]]:
    return [row for row in log.read(run / "metrics.jsonl") if "train_total" in row]


def test_loss_and_map_have_their_own_cadence(
    train: Callable[..., int], tiny: list[str], tmp_path: Path
) -> None:
    line = ["--validation-map=true", "--validation-epochs=1", "--map-epochs=3", "--epochs=5"]
    assert train(*tiny, *line, "--checkpoint-folder", tmp_path / "run") == 0
    rows = epoch_rows(tmp_path / "run")
    assert [row["epoch"] for row in rows if "val_loss" in row] == [0, 1, 2, 3, 4]
    assert [row["epoch"] for row in rows if "AP" in row] == [2, 4], "every third, and the last"


def test_validation_is_due_now_and_then_and_at_the_end(
    train: Callable[..., int], tiny: list[str], tmp_path: Path
) -> None:
    assert train(*tiny, "--validation-epochs=3", "--checkpoint-folder", tmp_path / "run") == 0
    assert [row["epoch"] for row in epoch_rows(tmp_path / "run") if "val_loss" in row] == [2, 3]


def test_the_average_and_the_raw_weights_are_both_scored(
    train: Callable[..., int], tiny: list[str], tmp_path: Path
) -> None:
    line = ["--validation-map=true", "--epochs=1"]
    assert train(*tiny, *line, "--checkpoint-folder", tmp_path / "both") == 0
    assert train(*tiny, *line, "--ema=0", "--checkpoint-folder", tmp_path / "raw") == 0
    (both,), (raw,) = epoch_rows(tmp_path / "both"), epoch_rows(tmp_path / "raw")
    assert both["raw_val_loss"] == raw["val_loss"], "the average changes nothing of the training"
    assert both["val_loss"] != both["raw_val_loss"] and "raw_AP" in both and "raw_AP" not in raw


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_compiled_net_learns_the_same(train: Callable[..., int], tiny: list[str], tmp_path: Path) -> None:
    """Its checkpoints have the names of the plain net, so either goes on from the other's."""
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    plain, compiled = tmp_path / "plain", tmp_path / "compiled"
    assert train(*tiny, "--checkpoint-folder", plain, "--stop-after-epoch=1") == 0
    assert train(*tiny, "--compile", "--checkpoint-folder", compiled, "--stop-after-epoch=1") == 0
    losses = [[row["loss"] for row in step_rows(run)] for run in (plain, compiled)]
    assert losses[1][0] == pytest.approx(losses[0][0], rel=1e-3)
    assert losses[1] == pytest.approx(losses[0], rel=2e-2), "sums in another order, then four steps of SGD"
    assert train("--resume", compiled, "--compile=false", "--stop-after-epoch=2") == 0


def test_memory_layout_changes_nothing_that_is_saved(
    train: Callable[..., int], tiny: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert train(*tiny, "--channels-last=true", "--checkpoint-folder", run, "--stop-after-epoch=1") == 0
    assert train("--resume", run, "--stop-after-epoch=2") == 0
    whole = tmp_path / "whole"
    assert train(*tiny, "--channels-last=true", "--checkpoint-folder", whole, "--stop-after-epoch=2") == 0
    assert_same_run(run, whole)
