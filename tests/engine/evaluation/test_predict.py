"""Detections come out in px of the original images and with the ids of the published annotations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vision.core.boxes import xyxy_to_cxcywh
from vision.core.sample import Batch, InputSpec
from vision.engine.evaluation.predict import evaluation_mode, predict
from vision.engine.evaluation.results import Results, from_xyxy_px, publish_results
from vision.ssd.coding import BoxCoder
from vision.ssd.variants import find

BOXES = torch.tensor([[0.1, 0.2, 0.5, 0.6], [0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.2, 0.2]])
ORIGINAL_IDS = [0, 18, 90, 3]
"""Of labels 1, 2, 3: neither sorted nor dense, so that a label in their place shows."""


class Oracle(nn.Module):
    """Sees in the first pixel of each image which prior to be sure of: red n = prior n has label n + 1."""

    def __init__(self) -> None:
        super().__init__()
        self.input_spec, self.variant, self.coder = InputSpec(4, 6), find("mb2-ssd-lite"), BoxCoder()
        self.priors_cxcywh = xyxy_to_cxcywh(BOXES)
        self.modes: list[bool] = []

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.modes.append(self.training)
        assert images.dtype == torch.float32 and (images.abs() <= 1).all()
        red = ((images[:, 0, 0, 0] + 1) * 127.5).round().long()
        logits = torch.zeros(len(images), 3, 4)
        for image, prior in enumerate(red.tolist()):
            logits[image, :, 0] = 20.0
            if prior < 3:
                logits[image, prior] = 10.0 * torch.nn.functional.one_hot(torch.tensor(prior + 1), 4)
        return logits, torch.zeros(len(images), 3, 4)


def batches(sizes: list[int]) -> Iterator[Batch]:
    """Five images of 200 × 100 to 200 × 500 px (width, height), the fourth with nothing on it, in ``sizes``."""
    first = 0
    for size in sizes:
        numbers = list(range(first, first + size))
        images = torch.zeros(size, 3, 4, 6, dtype=torch.uint8)
        for row, number in enumerate(numbers):
            images[row, 0, 0, 0] = [0, 1, 2, 9, 1][number]
        yield Batch(
            images=images,
            boxes_xyxy=torch.zeros(size, 0, 4),
            labels=torch.zeros(size, 0, dtype=torch.int64),
            ignore_xyxy=torch.zeros(size, 0, 4),
            image_ids=torch.tensor([1000 + 7 * number for number in numbers]),
            original_hw=torch.tensor([[100 * (number + 1), 200] for number in numbers]),
        )
        first += size


EXPECTED = [  # image id, original id, x, y, w, h: the boxes above times (200, height)
    (1000, 18, [20, 20, 80, 40]),
    (1007, 90, [50, 100, 100, 100]),
    (1014, 3, [0, 0, 40, 60]),
    (1028, 90, [50, 250, 100, 250]),
]


@pytest.mark.parametrize("sizes", [[5], [2, 3], [1, 1, 1, 1, 1], [4, 1]])
def test_ids_and_pixels_whatever_the_batches(sizes: list[int]) -> None:
    oracle: Any = Oracle()
    found = predict(oracle, batches(sizes), "cpu", ORIGINAL_IDS, score_threshold=0.5).to_coco()
    assert [(row["image_id"], row["category_id"]) for row in found] == [row[:2] for row in EXPECTED]
    np.testing.assert_allclose([row["bbox"] for row in found], [row[2] for row in EXPECTED], atol=2e-3)
    sure = float(np.exp(10) / (np.exp(10) + 3))  # softmax of one logit of 10 and three of 0
    np.testing.assert_allclose([row["score"] for row in found], sure, atol=1e-5)


def test_evaluation_mode_and_back() -> None:
    oracle: Any = Oracle().train()
    seen: list[tuple[int, ...]] = []
    predict(
        oracle,
        batches([3, 2]),
        "cpu",
        ORIGINAL_IDS,
        observe=lambda *args: seen.append(args[0].shape),
    )
    assert oracle.modes == [False, False] and oracle.training
    assert seen == [(3, 3, 4), (2, 3, 4)]


def test_no_images_and_nothing_found() -> None:
    oracle: Any = Oracle()
    for given in ([], batches([5])):
        found = predict(oracle, given, "cpu", ORIGINAL_IDS, score_threshold=1.0)
        assert len(found) == 0 and found.to_coco() == [] and found.rows().shape == (0, 7)


def test_a_batch_without_images_adds_nothing() -> None:
    """A shard of a split that has fewer images than there are processes."""
    empty = next(batches([0]))
    assert len(predict(Oracle(), [empty], "cpu", ORIGINAL_IDS)) == 0  # type: ignore[arg-type]
    whole = predict(Oracle(), batches([2, 0, 3]), "cpu", ORIGINAL_IDS)  # type: ignore[arg-type]
    alone = predict(Oracle(), batches([5]), "cpu", ORIGINAL_IDS)  # type: ignore[arg-type]
    assert whole.to_coco() == alone.to_coco() and len(whole)


def test_a_score_of_two_hundredths_counts_and_one_of_five_thousandths_does_not() -> None:
    """AP looks at the whole curve: what is below 0.01 is left out, as torchvision's SSD leaves it out."""
    oracle: Any = Oracle()
    scores = torch.tensor([[0.02, 0.005], [0.012, 1e-12]])
    logits = torch.cat([1 - scores.sum(1, keepdim=True), scores, torch.full((2, 1), 1e-9)], 1).log()
    logits = torch.cat([logits, torch.tensor([[20.0, 0.0, 0.0, 0.0]])])[None]
    oracle.forward = lambda images: (logits, torch.zeros(1, 3, 4))
    found = predict(oracle, batches([1]), "cpu", ORIGINAL_IDS).to_coco()
    assert [row["score"] for row in found] == pytest.approx([0.02, 0.012], abs=1e-5)
    assert [row["category_id"] for row in found] == [18, 18]


def test_modules_that_stood_still_in_training_stand_still_afterwards() -> None:
    model = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout())
    model[0].eval()
    with pytest.raises(RuntimeError), evaluation_mode(model):  # type: ignore[arg-type]
        assert not any(module.training for module in model.modules())
        raise RuntimeError
    assert [module.training for module in model.modules()] == [True, False, True]


def test_the_results_file_is_what_json_writes(tmp_path: Path) -> None:
    """To the byte, one detection a line, and nothing that JSON has no word for."""
    found = from_xyxy_px(
        np.array([3, 3, 10**12]), np.array([1, 90, 7]),
        np.array([[0.0, 1e-3, 640.0, 99.9996], [1 / 3, 2, 7, 1e5], [1e-7, 0, 5, 6]]), np.array([1.0, 0.01, 3e-6]),
    )  # fmt: skip
    for results in (found, Results.empty()):
        publish_results(tmp_path / "found.json", results)
        lines = ",\n".join(json.dumps(row) for row in results.to_coco())
        assert (tmp_path / "found.json").read_text() == f"[\n{lines}\n]\n"
    with pytest.raises(ValueError, match=r"found\.json.*not finite"):
        publish_results(tmp_path / "found.json", replace(found, scores=np.array([1, np.nan, 0])))
    assert json.loads((tmp_path / "found.json").read_text()) == []
