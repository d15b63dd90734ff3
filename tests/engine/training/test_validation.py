"""Validation: when it is due, what it computes, and of which weights; and what the loop's network is wrapped in."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pytest
import torch

from tests.engine.evaluation.test_predict import BOXES, ORIGINAL_IDS, Oracle
from tests.engine.ranks import in_ranks
from tests.engine.tiny_runs import assert_same_run, step_rows
from tests.engine.training.test_step import a_batch, make
from vision.artefacts import log
from vision.core.sample import Batch
from vision.datasets.sampling import BatchSampler
from vision.engine.distributed import Group
from vision.engine.evaluation import coco_map
from vision.engine.evaluation.results import Results
from vision.engine.evaluation.scoring import Scoring
from vision.engine.interrupt import StopRequest
from vision.engine.training.console import Console
from vision.engine.training.validation import LossMeter, validate
from vision.ssd.losses.detection import SsdLoss
from vision.ssd.model import Detector


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
    voc = ["--validation-map=false", "--validation-mean-ap"]
    assert train(*tiny, "--epochs=1", *voc, "--checkpoint-folder", tmp_path / "both") == 0
    assert train(*tiny, *line, "--ema=0", "--checkpoint-folder", tmp_path / "raw") == 0
    (both,), (raw,) = epoch_rows(tmp_path / "both"), epoch_rows(tmp_path / "raw")
    assert both["raw_val_loss"] == raw["val_loss"], "the average changes nothing of the training"
    assert both["val_loss"] != both["raw_val_loss"] and "raw_AP" in both and "raw_AP" not in raw
    assert {name for name in both if "voc" in name} == {"voc_mean_ap"}, "said once, of the average"
    assert "voc_mean_ap" not in raw and raw["AP"] == both["raw_AP"]


def test_a_signal_in_the_middle_of_an_evaluation_loses_nothing(
    train: Callable[..., int], tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is repeated after a resume, to the bit; and the training is that of a run without evaluations."""
    line, stopped, whole = (
        [*tiny, "--epochs=2", "--validation-map=true"],
        tmp_path / "stopped",
        tmp_path / "whole",
    )
    assert train(*line, "--checkpoint-folder", whole) == 0
    assert train(*line, "--validation-map=false", "--checkpoint-folder", tmp_path / "plain") == 0
    losses = [[row["loss"] for row in step_rows(run)] for run in (whole, tmp_path / "plain")]
    assert losses[0] == losses[1] and len(losses[0]) == 8
    take, evaluated = Scoring.take, []

    def then_stopped(self: Scoring, *given: Any) -> None:
        take(self, *given)
        evaluated.append(given)
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Scoring, "take", then_stopped)
        assert train(*line, "--checkpoint-folder", stopped) == 143
    assert len(evaluated) == 1 and not epoch_rows(stopped)
    assert not [one.name for one in threading.enumerate() if one.name.startswith("coco-metric")]
    assert train("--resume", stopped) == 0
    assert_same_run(stopped, whole)
    assert [row["AP"] for row in epoch_rows(stopped)] == [row["AP"] for row in epoch_rows(whole)]


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


# ---------------------------------------------------------------- in shares of several processes

IMAGES, BATCH = 8, 3
MISTAKEN = (2, 5)
"""Images whose true box is elsewhere, so that AP is neither 0 nor 1."""


class Shown:
    """Eight images; the first pixel of image n tells ``Oracle`` to be sure of prior n mod 3."""

    def __len__(self) -> int:
        return IMAGES

    classes: ClassVar[list[str]] = ["BACKGROUND", "a", "b", "c"]
    original_category_ids = ORIGINAL_IDS

    def columns(self, *names: str) -> list[np.ndarray]:
        """The true boxes are those that the oracle finds, but for ``MISTAKEN``."""
        numbers = np.arange(IMAGES)
        prior = numbers % 3
        prior[list(MISTAKEN)] = 0
        heights, widths = 100 * (numbers + 1), np.full(IMAGES, 200)
        corners = BOXES.numpy()[prior] * np.stack([widths, heights, widths, heights], axis=1)
        arrays = {
            "image_ids": 1000 + 7 * numbers, "heights": heights, "widths": widths,
            "first_box": np.arange(IMAGES + 1), "boxes_xyxy_px": corners, "labels": prior + 1,
            "is_crowd": np.zeros(IMAGES, bool), "area": np.full(IMAGES, 50.0**2),
        }  # fmt: skip
        return [arrays[name] for name in names]

    def batch(self, numbers: list[int]) -> Batch:
        images = torch.zeros(len(numbers), 3, 4, 6, dtype=torch.uint8)
        images[:, 0, 0, 0] = torch.tensor([number % 3 for number in numbers])
        return Batch(
            images=images,
            boxes_xyxy=BOXES[torch.tensor([[number % 3] for number in numbers])],
            labels=torch.tensor([[number % 3 + 1] for number in numbers]),
            ignore_xyxy=torch.zeros(len(numbers), 0, 4),
            image_ids=torch.tensor([1000 + 7 * number for number in numbers]),
            original_hw=torch.tensor([[100 * (number + 1), 200] for number in numbers]),
        )


def validated(
    group: Group, console: Console | None = None
) -> tuple[int, list[dict[str, Any]], dict[str, float]]:
    """Images of this process's share; what it gives to the scorer; the metrics."""
    oracle, shown, scored = Oracle(), Shown(), []
    order = BatchSampler(IMAGES, BATCH, shuffle=False, rank=group.rank, world=group.world)
    shares = [[key.index for key in keys] for keys in order]
    score = Scoring.scores

    def noting(self: Scoring, results: Results, *others: Any) -> coco_map.Scores:
        scored.extend(results.to_coco())
        return score(self, results, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scoring, "scores", noting)
        metrics = validate(
            cast(Detector, oracle), map(shown.batch, shares), shown, SsdLoss(oracle.priors_cxcywh, oracle.coder),
            torch.device("cpu"), None, StopRequest(), group, True, console or Console(quiet=True), console is not None,
        )  # fmt: skip
    return sum(map(len, shares)), scored, metrics


def test_mean_average_precision_is_said_as_dusty_nvs_trainer_says_it() -> None:
    said = io.StringIO()
    _, _, metrics = validated(Group(), Console(stream=said))
    _, _, without = validated(Group())
    lines = said.getvalue().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("Average Precision Per-class"))
    assert [line.split(":")[0].strip() for line in lines[start + 1 : start + 3]] == ["a", "b"], (
        "no image shows a c"
    )
    values = [float(line.split(":")[1]) for line in lines[start + 1 : start + 3]]
    assert lines[start + 3] == f"Mean Average Precision (mAP): {metrics['voc_mean_ap']:.4f}"
    assert (
        sum(values) / 2 == pytest.approx(metrics["voc_mean_ap"], abs=1e-4)
        and 0.2 < metrics["voc_mean_ap"] < 0.9
    )
    assert metrics.pop("voc_mean_ap") and metrics == without


@pytest.mark.parametrize("world", [3])
def test_shares_are_gathered_and_scored_as_one(world: int, tmp_path: Path) -> None:
    """8 images in batches of 3, 3 and 2: the shares differ in images, and for three in batches."""
    _, expected, metrics = validated(Group())
    assert len({row["image_id"] for row in expected}) == IMAGES and 0.2 < metrics["AP"] < 0.9
    found = in_ranks(world, tmp_path, validated)
    assert len({images for images, _, _ in found}) > 1 and sum(own for own, _, _ in found) == IMAGES
    assert [bool(scored) for _, scored, _ in found] == [True] + [False] * (world - 1), "the first one scores"

    def by_image(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda row: int(row["image_id"]))  # stable: the order within an image stays

    assert by_image(found[0][1]) == expected
    for _, _, theirs in found:
        assert {k: v for k, v in theirs.items() if k in coco_map.METRICS} == {
            k: v for k, v in metrics.items() if k in coco_map.METRICS
        }
        assert theirs == pytest.approx(metrics, rel=1e-6)


def test_outputs_that_are_not_finite_are_no_score() -> None:
    """Nor where no box is in the split, and the loss looks at none of them."""
    with pytest.MonkeyPatch.context() as patch:
        forward = Oracle.forward
        patch.setattr(Oracle, "forward", lambda *given: tuple(out * float("nan") for out in forward(*given)))
        _, scored, metrics = validated(Group())
    assert np.isnan(metrics["val_loss"]) and "AP" not in metrics and not scored


def test_the_loss_is_that_of_all_batches_together() -> None:
    """Not the mean of theirs: one without objects, and the last, short one count by their positives."""
    state, session = make()
    whole, generator = a_batch(5), torch.Generator().manual_seed(3)
    priors = len(state.model.priors_cxcywh)
    logits = torch.randn(5, priors, 3, generator=generator)
    offsets = torch.randn(5, priors, 4, generator=generator)
    found = []
    for bounds in ([0, 5], [0, 1, 3, 4, 5]):
        meter = LossMeter(session.loss, session.group)
        for first, end in itertools.pairwise(bounds):
            part = Batch(*(tensor[first:end] for tensor in whole._tensors()))
            meter(logits[first:end], offsets[first:end], part)
        found.append(meter.metrics())
    assert found[0] == pytest.approx(found[1], rel=1e-4)
