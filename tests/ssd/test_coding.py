"""Coding against torchvision's box coder and by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder as TorchvisionCoder

from vision.core.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from vision.ssd.coding import BoxCoder

CODER = BoxCoder()
THEIRS = TorchvisionCoder(weights=(10.0, 10.0, 5.0, 5.0))  # 1 / variance


def test_encode_is_torchvisions(random_boxes):
    boxes, priors = random_boxes(0, 200).double(), random_boxes(1, 200).double()
    found = CODER.encode(boxes, xyxy_to_cxcywh(priors))
    torch.testing.assert_close(found, THEIRS.encode_single(boxes, priors))


def test_decode_is_torchvisions_up_to_its_limit(random_boxes):
    priors = random_boxes(1, 200).double()
    offsets = torch.randn(200, 4, dtype=torch.float64) * 20  # some beyond the clamp of the sizes
    found = CODER.decode(offsets, xyxy_to_cxcywh(priors))
    torch.testing.assert_close(found, THEIRS.decode_single(offsets, priors))
    assert (offsets[:, 2:] * 0.2 > math.log(1000 / 16)).any()


def test_there_and_back_in_batches(random_boxes):
    boxes, priors = random_boxes(2, 3, 50), xyxy_to_cxcywh(random_boxes(3, 50))
    back = CODER.decode(CODER.encode(boxes, priors), priors)
    torch.testing.assert_close(back, boxes, atol=1e-5, rtol=1e-5)


def test_by_hand():
    """Prior of 0.2 × 0.4 at the centre; box e times as wide, half a prior's height lower."""
    prior = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
    box = cxcywh_to_xyxy(torch.tensor([[0.5, 0.7, 0.2 * math.e, 0.4]]))
    torch.testing.assert_close(
        CODER.encode(box, prior), torch.tensor([[0.0, 5.0, 5.0, 0.0]]), atol=1e-5, rtol=1e-5
    )


def test_degenerate_boxes_have_finite_targets():
    priors = torch.tensor([[0.5, 0.5, 0.2, 0.2]])
    for box in ([0.5, 0.5, 0.5, 0.5], [0.5, 0.2, 0.4, 0.1], [0.0, 0.0, 0.0, 0.0]):
        assert CODER.encode(torch.tensor([box]), priors).isfinite().all()


def test_wild_offsets_fit_half_precision():
    priors = torch.tensor([[0.5, 0.5, 1.0, 1.0]])
    for offset in (6e4, -6e4):
        boxes = CODER.decode(torch.full((1, 4), offset), priors)
        assert boxes.half().isfinite().all()
    assert torch.equal(boxes[:, 2:], boxes[:, :2])  # nothing is left of it


def test_only_what_is_no_box_is_encoded_as_larger_than_it_is():
    """A side of 10⁻⁵ keeps its logarithm; one of nothing is taken for 10⁻⁶."""
    prior = torch.tensor([[0.5, 0.5, 0.2, 0.4]], dtype=torch.float64)
    for side, taken in ((1e-5, 1e-5), (2e-6, 2e-6), (0.0, 1e-6), (-0.1, 1e-6)):
        box = cxcywh_to_xyxy(torch.tensor([[0.5, 0.5, side, 0.4]], dtype=torch.float64))
        found = CODER.encode(box, prior)[0, 2].item()
        assert found == pytest.approx(math.log(taken / 0.2) / 0.2, rel=1e-6)
