"""The predictor written from the ancestors' behaviour suppresses as torchvision does, one class at a time."""

from __future__ import annotations

import torch
from torchvision.ops import box_iou, nms

from benchmarks.evaluate import ancestor
from vision.ssd.coding import BoxCoder


def boxes(count: int) -> torch.Tensor:
    low = torch.rand(count, 2, generator=torch.Generator().manual_seed(count)) * 0.6
    return torch.cat([low, low + 0.3], dim=1)


def test_hard_nms_is_torchvisions_of_the_best_candidates() -> None:
    many = boxes(500)
    scores = torch.rand(500, generator=torch.Generator().manual_seed(1))
    best = scores.argsort(descending=True)[: ancestor.CANDIDATES]
    assert ancestor.hard_nms(many, scores, 0.45) == best[nms(many[best], scores[best], 0.45)].tolist()


def test_iou() -> None:
    some = boxes(20)
    assert torch.allclose(ancestor.iou(some, some[:1]), box_iou(some, some[:1])[:, 0], atol=2e-4)


def test_boxes_are_decoded_as_ours() -> None:
    priors = torch.rand(30, 4, generator=torch.Generator().manual_seed(2)) + 0.1
    offsets = torch.randn(30, 4, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(ancestor.decoded(offsets, priors), BoxCoder().decode(offsets, priors), atol=1e-6)


def test_classes_do_not_suppress_each_other_and_background_is_left_out() -> None:
    logits = torch.tensor([[0.0, 3.0, 2.9], [9.0, 0.0, 0.0]])
    priors = torch.tensor([[0.5, 0.5, 0.2, 0.2], [0.5, 0.5, 0.2, 0.2]])
    found = ancestor.predict(logits, torch.zeros(2, 4), priors, 0.1, 0.45)
    assert found.labels.tolist() == [1, 2] and found.scores[0] > found.scores[1]
    assert torch.allclose(found.boxes_xyxy, torch.tensor([[0.4, 0.4, 0.6, 0.6]] * 2))


def test_nothing_above_the_threshold() -> None:
    assert len(ancestor.predict(torch.zeros(3, 4), torch.zeros(3, 4), torch.ones(3, 4), 0.9, 0.45)) == 0
