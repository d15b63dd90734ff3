"""The deliberate faults are the ones that docs/log.md names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.deliberate_faults import broken_variants
from benchmarks.deliberate_faults.broken_variants import main, next_object, next_prior
from vision.datasets.coco import CocoDetection
from vision.ssd.losses import detection, matching
from vision.ssd.losses.matching import Matches

GOOD = Matches(
    gt_index=torch.tensor([[0, -1, 1, 2, -1], [-1, 0, -1, -1, -1]]),
    iou=torch.tensor([[0.9, 0.1, 0.8, 0.7, 0.2], [0.0, 0.6, 0.3, 0.2, 0.1]]),
    forced=torch.tensor([[True, False, True, False, False], [False, True, False, False, False]]),
    ignored=torch.tensor([[False, True, False, False, False], [False, False, False, True, False]]),
)
LABELS = torch.tensor([[4, 7, 5], [9, 0, 0]])


def test_a_prior_learns_the_next_object_of_its_image() -> None:
    """The last object's priors learn the first; an image with one object is left as it is."""
    assert next_object(GOOD, LABELS).gt_index.tolist() == [[1, -1, 2, 0, -1], [-1, 0, -1, -1, -1]]


def test_the_next_prior_learns_the_object() -> None:
    moved = next_prior(GOOD, LABELS)
    assert moved.gt_index.tolist() == [[-1, 0, -1, 1, 2], [-1, -1, 0, -1, -1]]
    assert moved.ignored.tolist() == [[False, False, True, False, False], [False, False, False, False, True]]


def test_a_fault_is_there_while_it_trains_and_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def training(line: list[str]) -> int:
        boxes = torch.tensor([[[0.0, 0.0, 0.4, 0.4], [0.5, 0.5, 1.0, 1.0]]])
        priors = torch.tensor([[0.2, 0.2, 0.4, 0.4], [0.75, 0.75, 0.5, 0.5]])
        seen.append(
            detection.match(
                priors, boxes, torch.ones(1, 2, dtype=torch.int64), torch.zeros(1, 0, 4)
            ).gt_index.tolist()
        )
        seen.append(line)
        return 0

    monkeypatch.setattr("train_ssd.main", training)
    assert main(["objects", "--recipe", "r.yaml", "--run", "broken"]) == 0
    assert seen == [[[1, 0]], ["--config", "r.yaml", "--checkpoint-folder", "broken"]]
    assert detection.match is matching.match


def test_red_and_blue_are_swapped_while_it_is_scored(
    miniature_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = CocoDetection(miniature_root, "val").load(0).image
    seen: list[np.ndarray] = []

    def scoring(line: list[str]) -> int:
        seen.append(CocoDetection(miniature_root, "val").load(0).image)
        return 0

    monkeypatch.setattr("tools.evaluate.__main__.main", scoring)
    assert broken_variants.main(["channels", "--run", "models/demo"]) == 0
    np.testing.assert_array_equal(seen[0], whole[..., [2, 1, 0]])
    np.testing.assert_array_equal(CocoDetection(miniature_root, "val").load(0).image, whole)
