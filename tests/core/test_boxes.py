"""Box geometry against torchvision and on boxes small enough to do by hand."""

from __future__ import annotations

import pytest
import torch
import torchvision.ops as ops

from vision.core import boxes


def _random(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(*shape, 2, 2, generator=generator, dtype=torch.float64).sort(dim=-2).values
    return corners.flatten(-2)


def test_forms_are_torchvisions_and_invert_each_other():
    xyxy = _random(0, 50)
    centre = boxes.xyxy_to_cxcywh(xyxy)
    torch.testing.assert_close(centre, ops.box_convert(xyxy, "xyxy", "cxcywh"))
    torch.testing.assert_close(boxes.cxcywh_to_xyxy(centre), xyxy)


def test_area_and_overlap_are_torchvisions():
    a, b = _random(1, 40), _random(2, 30)
    torch.testing.assert_close(boxes.area(a), ops.box_area(a))
    torch.testing.assert_close(boxes.pairwise_iou(a, b), ops.box_iou(a, b))


def test_leading_dimensions_broadcast():
    a, b = _random(3, 5, 7), _random(4, 11)
    expected = torch.stack([ops.box_iou(one, b) for one in a])
    torch.testing.assert_close(boxes.pairwise_iou(a, b), expected)


def test_by_hand():
    a = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    b = torch.tensor([[1.0, 1.0, 3.0, 3.0], [0.0, 0.0, 1.0, 2.0], [2.0, 0.0, 4.0, 2.0]])
    assert boxes.pairwise_intersection(a, b).tolist() == [[1.0, 2.0, 0.0]]
    torch.testing.assert_close(boxes.pairwise_iou(a, b), torch.tensor([[1 / 7, 0.5, 0.0]]))
    assert boxes.pairwise_ioa(a, b).tolist() == [[0.25, 0.5, 0.0]]
    assert boxes.pairwise_ioa(b, a).tolist() == [[0.25], [1.0], [0.0]]


@pytest.mark.parametrize("empty", [[0.3, 0.3, 0.3, 0.3], [0.5, 0.5, 0.2, 0.9], [0.0, 0.0, 0.0, 0.0]])
def test_empty_and_inverted_boxes_overlap_nothing(empty):
    one, other = torch.tensor([empty]), torch.tensor([[0.0, 0.0, 1.0, 1.0], empty])
    assert boxes.area(one).item() == 0
    for function in (boxes.pairwise_iou, boxes.pairwise_ioa):
        assert function(one, other).tolist() == [[0.0, 0.0]]
    assert boxes.pairwise_iou(other, one).isfinite().all()
