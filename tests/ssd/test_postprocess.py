"""Post-processing against torchvision's SSD, and its edges."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder as TorchvisionCoder
from torchvision.models.detection.ssd import SSD
from torchvision.ops import batched_nms

from vision.core.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from vision.ssd.coding import BoxCoder
from vision.ssd.postprocess import are_finite, best, detect, sigmoids
from vision.ssd.variants import find


def _small_detector(priors_xyxy: Tensor) -> SimpleNamespace:
    return SimpleNamespace(
        priors_cxcywh=xyxy_to_cxcywh(priors_xyxy),
        coder=BoxCoder(),
        variant=find("mb2-ssd-lite"),
    )


def _outputs(n: int, p: int, c: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(n, p, c, generator=generator) * 3, torch.randn(n, p, 4, generator=generator)


@pytest.mark.parametrize("limit", [15, 1000])
def test_it_is_torchvisions_when_every_candidate_is_looked_at(random_boxes, limit):
    """torchvision takes the best candidates of each class, so the comparison takes all of them."""
    priors = random_boxes(0, 150)
    logits, offsets = _outputs(3, 150, 7)
    found = detect(logits, offsets, _small_detector(priors), 0.05, 0.45, candidates=150 * 6, limit=limit)
    theirs = SSD.postprocess_detections(
        SimpleNamespace(  # type: ignore[arg-type]
            box_coder=TorchvisionCoder((10.0, 10.0, 5.0, 5.0)),
            score_thresh=0.05,
            topk_candidates=150,
            nms_thresh=0.45,
            detections_per_img=limit,
        ),
        {"cls_logits": logits, "bbox_regression": offsets},
        [priors] * 3,
        [(1, 1)] * 3,
    )
    for ours, expected in zip(found, theirs, strict=True):
        assert ours.labels.tolist() == expected["labels"].tolist()
        torch.testing.assert_close(ours.scores, expected["scores"])
        torch.testing.assert_close(ours.boxes_xyxy, expected["boxes"], atol=1e-5, rtol=1e-5)
        assert len(ours) > 10


@pytest.mark.parametrize("digits", [6, 2], ids=["few ties", "many ties"])
@pytest.mark.parametrize("candidates", [60, 400])
def test_a_batch_is_each_image_by_itself_to_the_bit(random_boxes, candidates, digits):
    """Against torchvision's suppression by class, one image after the other; one has nothing above the threshold."""
    boxes = torch.stack([random_boxes(seed, 300) for seed in range(4)])
    scores = torch.rand(4, 300, 7, generator=torch.Generator().manual_seed(9)).round(decimals=digits)
    scores[2] = 0.01
    found = best(scores, boxes, 0.3, 0.45, candidates, 50)
    for image, ours in enumerate(found):
        values, pairs = scores[image, :, 1:].flatten().topk(candidates)
        above = values > 0.3
        values, labels, own = values[above], pairs[above] % 6 + 1, boxes[image][pairs[above] // 6]
        kept = batched_nms(own.double(), values.double(), labels, 0.45)[:50]
        assert torch.equal(ours.boxes_xyxy, own[kept]) and torch.equal(ours.labels, labels[kept])
        assert torch.equal(ours.scores, values[kept]) and bool(len(kept)) == (image != 2)


@pytest.mark.parametrize("odd", [torch.nan, torch.inf, -torch.inf])
def test_one_value_that_is_not_finite_is_seen(odd):
    outputs = torch.zeros(2, 5, 3), torch.full((2, 5, 4), 3e38), torch.zeros(0, 5, 3)
    assert are_finite(*outputs) and are_finite(outputs[2])
    outputs[1][1, 2, 3] = odd
    assert not are_finite(*outputs) and not are_finite(outputs[1].bfloat16())


def test_promises_on_the_real_net(detector):
    images = torch.rand(2, 3, 300, 300, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        logits, offsets = detector(images)
    for found in detect(logits, offsets * 30, detector, score_threshold=0.0):
        assert len(found) == 100
        assert (found.scores.diff() <= 0).all()
        assert found.boxes_xyxy.min() >= 0
        assert found.boxes_xyxy.max() <= 1
        assert (found.boxes_xyxy[:, 2:] > found.boxes_xyxy[:, :2]).all()
        assert found.labels.min() >= 1
        assert found.labels.max() <= 80
        assert (found.boxes_xyxy.dtype, found.scores.dtype, found.labels.dtype) == (
            torch.float32, torch.float32, torch.int64,
        )  # fmt: skip


def test_nothing_found_is_empty_not_an_error(detector):
    logits = torch.zeros(2, 3000, 81)
    logits[1, 5, 3] = 20
    first, second = detect(logits, torch.zeros(2, 3000, 4), detector, score_threshold=0.5)
    assert (len(first), first.boxes_xyxy.shape) == (0, (0, 4))
    assert second.labels.tolist() == [3]
    torch.testing.assert_close(second.boxes_xyxy, cxcywh_to_xyxy(detector.priors_cxcywh[5:6]).clamp(0, 1))


def test_classes_do_not_suppress_each_other():
    priors = torch.tensor([[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.5]])
    logits = torch.tensor([[[0.0, 9.0, 0.0], [0.0, 0.0, 9.0], [0.0, 8.0, 0.0]]])
    (found,) = detect(logits, torch.zeros(1, 3, 4), _small_detector(priors), score_threshold=0.5)
    assert sorted(found.labels.tolist()) == [1, 2]


def test_background_is_never_reported():
    priors = torch.tensor([[0.1, 0.1, 0.5, 0.5]])
    logits = torch.tensor([[[9.0, 0.0, 0.0]]])
    (found,) = detect(logits, torch.zeros(1, 1, 4), _small_detector(priors), score_threshold=0.01)
    assert len(found) == 0


def test_boxes_outside_the_image_are_dropped():
    priors = torch.tensor([[0.1, 0.1, 0.3, 0.3]])
    logits = torch.tensor([[[0.0, 9.0]]])
    offsets = torch.tensor([[[1000.0, 0.0, 0.0, 0.0]]])
    (found,) = detect(logits, offsets, _small_detector(priors))
    assert len(found) == 0


def test_small_boxes_of_late_classes_keep_their_digits():
    """40 pairs of boxes of 1/1000 of the image with IoU 0.446 in class 79: the threshold, 0.45, keeps all of them apart.

    Classes are kept apart by moving their boxes, by 118 images here, where float32 knows 1/130 of such a box.
    """
    side, shift = 0.001, 0.000383  # IoU = (1 − 0.383) / (1 + 0.383)
    x, y = (
        torch.linspace(0.1, 0.9, 40, dtype=torch.float64),
        torch.linspace(0.05, 0.95, 40, dtype=torch.float64),
    )
    low = torch.stack([torch.stack([x, y], 1), torch.stack([x + shift, y], 1)], 1).reshape(-1, 2)
    logits = torch.zeros(1, 80, 81)
    logits[..., 79] = 20
    priors = torch.cat([low, low + side], 1).float()
    (found,) = detect(logits, torch.zeros(1, 80, 4), _small_detector(priors), score_threshold=0.5)
    assert len(found) == 80


def test_half_precision_outputs(detector):
    logits, offsets = (value.half() for value in _outputs(1, 3000, 81))
    (found,) = detect(logits, offsets, detector)
    assert found.scores.dtype == torch.float32


@pytest.mark.parametrize(("overlap", "left"), [(0.44, 2), (0.46, 1)])
def test_boxes_of_a_class_are_suppressed_from_0_45_on(overlap, left):
    """Two boxes side by side, shifted by (1 − u) / (1 + u) of their width: the default of the variant decides."""
    shift = 0.4 * (1 - overlap) / (1 + overlap)
    priors = torch.tensor([[0.1, 0.1, 0.5, 0.5], [0.1 + shift, 0.1, 0.5 + shift, 0.5]])
    logits = torch.tensor([[[0.0, 9.0], [0.0, 8.0]]])
    (found,) = detect(logits, torch.zeros(1, 2, 4), _small_detector(priors), score_threshold=0.5)
    assert len(found) == left


@pytest.mark.parametrize("where", ["logits", "offsets"])
@pytest.mark.parametrize("odd", [torch.nan, torch.inf, -torch.inf])
def test_priors_that_are_not_finite_silence_nobody(detector, where, odd):
    """20 of them have 1600 pairs, four times the places there are."""
    logits, offsets = torch.zeros(2, 3000, 81), torch.zeros(2, 3000, 4)
    logits[0, 5, 3] = logits[1, 7, 4] = 20
    if where == "logits":
        logits[0, 100:120, 2:] = odd
    else:
        logits[0, 100:120, 1:] = 30
        offsets[0, 100:120, :2] = odd
    first, second = detect(logits, offsets, detector, score_threshold=0.5)
    assert (first.labels.tolist(), second.labels.tolist()) == ([3], [4])
    for found in (first, second):
        assert found.boxes_xyxy.isfinite().all() and found.scores.isfinite().all()


def test_boxes_outside_the_image_take_no_place(detector):
    logits, offsets = torch.zeros(1, 3000, 81), torch.zeros(1, 3000, 4)
    logits[0, 100:120, 1:], offsets[0, 100:120, 0] = 30, 1000.0
    logits[0, 5, 3] = 20
    (found,) = detect(logits, offsets, detector, score_threshold=0.5)
    assert found.labels.tolist() == [3]


def test_all_of_an_image_not_a_number_is_nothing_found(detector):
    logits, offsets = torch.full((1, 3000, 81), torch.nan), torch.full((1, 3000, 4), torch.nan)
    for threshold in (0.01, 0.0, -1.0):
        (found,) = detect(logits, offsets, detector, score_threshold=threshold)
        assert len(found) == 0


def test_no_images_are_no_detections(detector):
    assert detect(torch.zeros(0, 3000, 81), torch.zeros(0, 3000, 4), detector) == []


def test_more_boxes_of_one_image_than_places_are_the_best_of_them():
    """Places for 3 pairs: those of the highest scores, whichever classes and priors they are of."""
    priors = torch.tensor([[0.0, 0.0, 0.2, 0.2], [0.3, 0.3, 0.5, 0.5], [0.6, 0.6, 0.8, 0.8]])
    logits = torch.tensor([[[0.0, 5.0, 4.0], [0.0, 1.0, 3.0], [0.0, 2.0, 0.0]]])
    (found,) = detect(logits, torch.zeros(1, 3, 4), _small_detector(priors), 0.01, candidates=3)
    scores = logits.softmax(-1)
    expected = sorted(((float(scores[0, p, c]), c) for p in range(3) for c in (1, 2)), reverse=True)[:3]
    assert found.labels.tolist() == [label for _, label in expected]
    assert found.scores.tolist() == pytest.approx([score for score, _ in expected])


def test_sigmoids_speak_of_object_classes_only():
    """Two logits a prior: classes 1 and 2, each by itself; a prior may show both, and background is no logit."""
    priors = torch.tensor([[0.1, 0.1, 0.3, 0.3], [0.6, 0.6, 0.9, 0.9]])
    detector = _small_detector(priors)
    detector.variant = replace(detector.variant, score_function="sigmoid")
    logits = torch.tensor([[[2.0, 1.0], [-9.0, 3.0]]])
    (found,) = detect(logits, torch.zeros(1, 2, 4), detector, score_threshold=0.5)
    assert found.labels.tolist() == [2, 1, 2]
    assert found.scores.tolist() == pytest.approx([1 / (1 + math.exp(-x)) for x in (3.0, 2.0, 1.0)])
    assert sigmoids(logits)[0, :, 0].tolist() == pytest.approx(
        [1 - 1 / (1 + math.exp(-2.0)), 1 - 1 / (1 + math.exp(-3.0))]
    )
