"""Matching against torchvision's SSD matcher, and against a slow loop where torchvision overwrites."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask
from torch import Tensor
from torchvision.models.detection._utils import SSDMatcher
from torchvision.ops import box_iou

from vision.core.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from vision.ssd.losses.matching import Matches, match, own_boxes

NO_REGIONS = torch.zeros(1, 1, 4)


def _match(
    priors_xyxy: Tensor, boxes: Tensor, labels: Tensor | None = None, ignore: Tensor = NO_REGIONS
) -> Matches:
    labels = torch.ones(boxes.shape[:2], dtype=torch.int64) if labels is None else labels
    return match(xyxy_to_cxcywh(priors_xyxy), boxes, labels, ignore.expand(len(boxes), -1, -1))


def _loop(iou: np.ndarray, threshold: float) -> np.ndarray:
    """(G, P) float64 → (P,), written from the rule: boxes choose in the order of their best overlap."""
    g, p = iou.shape
    result = np.full(p, -1)
    for prior in range(p):
        if g and iou[:, prior].max() >= threshold:
            result[prior] = iou[:, prior].argmax()
    taken = set()
    for box in sorted(range(g), key=lambda b: (-iou[b].max(), b)):
        for prior in np.argsort(-iou[box], kind="stable"):
            if prior not in taken and iou[box, prior] > 0:
                taken.add(prior)
                result[prior] = box
                break
    return result


def test_without_collisions_it_is_torchvisions(detector, random_boxes):
    priors = cxcywh_to_xyxy(detector.priors_cxcywh)
    compared = 0
    for seed in range(40):
        boxes = random_boxes(seed, 1, 5)
        iou = box_iou(boxes[0], priors)
        if len(iou.argmax(dim=1).unique()) < 5:
            continue
        compared += 1
        labels = torch.ones(1, 5, dtype=torch.int64)
        found = match(detector.priors_cxcywh, boxes, labels, NO_REGIONS)
        expected = SSDMatcher(0.5)(iou)
        assert torch.equal(found.gt_index[0], expected.clamp(min=-1))
        best = iou[found.gt_index[0].clamp(min=0), torch.arange(len(priors))]
        torch.testing.assert_close(found.iou[0][found.positive[0]], best[found.positive[0]])
        assert int(found.forced.sum()) == 5
    assert compared > 20


@pytest.mark.parametrize("boxes_an_image", [1, 7, 40])
def test_batches_with_padding_against_a_loop(random_boxes, boxes_an_image):
    priors = random_boxes(100, 120)  # few priors, so that boxes collide
    boxes = random_boxes(1, 4, boxes_an_image)
    boxes[0, boxes_an_image // 2 :] = 0
    labels = torch.ones(4, boxes_an_image, dtype=torch.int64)
    labels[0, boxes_an_image // 2 :] = 0
    labels[3] = 0
    found = _match(priors, boxes, labels)
    collisions = 0
    for image in range(4):
        real = int((labels[image] > 0).sum())
        iou = box_iou(boxes[image, :real], priors)
        collisions += real - len(iou.argmax(dim=1).unique()) if real else 0
        np.testing.assert_array_equal(found.gt_index[image].numpy(), _loop(iou.double().numpy(), 0.5))
    assert collisions > 0 or boxes_an_image < 40
    assert not found.positive[3].any()


def test_forced_matches_never_overwrite_each_other():
    """Three boxes in one place and four priors there: each gets one, the best fitting the best."""
    priors = torch.tensor(
        [[0.0, 0.0, 0.1, 0.1], [0.0, 0.0, 0.2, 0.2], [0.0, 0.0, 0.3, 0.3], [0.5, 0.5, 0.9, 0.9]]
    )
    boxes = torch.tensor([[[0.0, 0.0, 0.09, 0.1], [0.0, 0.0, 0.1, 0.1], [0.0, 0.0, 0.08, 0.1]]])
    found = _match(priors, boxes)
    assert found.gt_index.tolist() == [[1, 0, 2, -1]]
    assert found.forced.tolist() == [[True, True, True, False]]


def test_more_boxes_than_priors():
    priors = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.1, 0.1, 0.6, 0.6]])
    boxes = torch.tensor([[[0.0, 0.0, 0.5, 0.5]] * 5])
    assert set(_match(priors, boxes).gt_index[0].tolist()) == {0, 1}


def test_every_box_of_real_images_has_a_prior(detector, coco_boxes):
    priors = cxcywh_to_xyxy(detector.priors_cxcywh)
    for image, _ in coco_boxes["val"]:
        boxes = torch.from_numpy(image).float()[None]
        found = _match(priors, boxes)
        assert len(found.gt_index[0].unique()) == boxes.shape[1] + 1
        assert int(found.forced.sum()) == boxes.shape[1]


@pytest.mark.parametrize(
    "box",
    [
        [0.2, 0.2, 0.2, 0.4],
        [0.5, 0.5, 0.4, 0.6],
        [0.0, 0.0, 0.0, 0.0],
        [float("nan")] * 4,
        [3.0, 3.0, 4.0, 4.0],
    ],
)
def test_boxes_without_area_in_the_image_match_nothing(detector, box):
    found = match(
        detector.priors_cxcywh, torch.tensor([[box]]), torch.ones(1, 1, dtype=torch.int64), NO_REGIONS
    )
    assert not found.positive.any()
    assert found.iou.isfinite().all()


def test_no_boxes_and_no_regions_at_all(detector):
    found = match(
        detector.priors_cxcywh,
        torch.zeros(2, 0, 4),
        torch.zeros(2, 0, dtype=torch.int64),
        torch.zeros(2, 0, 4),
    )
    assert found.gt_index.shape == (2, 3000)
    assert not (found.positive.any() or found.ignored.any() or found.forced.any())


def test_priors_in_a_crowd_are_ignored_unless_matched(detector, random_boxes):
    """A crowd covers a prior as COCO's evaluation has it: intersection over the prior's own area (pycocotools)."""
    priors = cxcywh_to_xyxy(detector.priors_cxcywh)
    regions = random_boxes(9, 2, 2)
    regions[1, 1] = 0  # padding
    boxes = random_boxes(10, 2, 3)
    found = _match(priors, boxes, ignore=regions)
    for image in range(2):
        covered = coco_mask.iou(_xywh(priors), _xywh(regions[image]), [1, 1])  # (P, K)
        inside = torch.from_numpy(np.nan_to_num(covered).max(axis=1) >= 0.5)
        assert torch.equal(found.ignored[image], inside & ~found.positive[image])
        assert (inside & found.positive[image]).any() and (inside & ~found.positive[image]).any()
        assert not inside.all()


def _xywh(boxes: Tensor) -> np.ndarray:
    return torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1).double().numpy()


def test_own_boxes_by_hand():
    """Box 1 fits better (0.9) and chooses first; box 0 takes what is left; box 2 overlaps nothing that is free."""
    iou = torch.tensor([[[0.8, 0.3, 0.0], [0.9, 0.1, 0.0], [0.2, 0.0, 0.0]]])
    assert own_boxes(iou).tolist() == [[1, 0, -1]]


def test_the_threshold_itself_matches():
    """Half of the second prior is the box: IoU just 0.5. The first one is forced, so that the second stands for itself."""
    priors = torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.0, 0.0, 1.0, 1.0]])
    found = _match(priors, priors[None, :1])
    assert (found.gt_index.tolist(), found.forced.tolist()) == ([[0, 0]], [[True, False]])


@pytest.mark.parametrize(("background_below", "ignored"), [(None, []), (0.5, []), (0.4, [2]), (0.25, [2, 3])])
def test_between_the_thresholds_a_prior_is_neither_object_nor_background(background_below, ignored):
    """Priors with IoU 1, 0.5, 0.4 and 0.25 with the box, and one that does not touch it; the thresholds themselves count."""
    sides = [[0.0, 0.0, 0.125 / share, 0.5] for share in (1.0, 0.5, 0.4, 0.25)]
    priors = torch.tensor([*sides, [0.0, 0.625, 0.25, 0.875]])
    found = match(
        xyxy_to_cxcywh(priors), priors[None, :1], torch.ones(1, 1, dtype=torch.int64), NO_REGIONS, 0.5, background_below
    )  # fmt: skip
    assert found.positive[0].nonzero().flatten().tolist() == [0, 1]
    assert found.ignored[0].nonzero().flatten().tolist() == ignored


def test_a_forced_prior_between_the_thresholds_is_an_object():
    priors = torch.tensor([[0.0, 0.0, 0.45, 0.5], [0.0, 0.0, 0.42, 0.5]])
    box = torch.tensor([[[0.0, 0.0, 1.0, 0.5]]])
    found = match(xyxy_to_cxcywh(priors), box, torch.ones(1, 1, dtype=torch.int64), NO_REGIONS, 0.5, 0.4)
    assert (found.forced.tolist(), found.ignored.tolist()) == ([[True, False]], [[False, True]])
