"""The loss against torchvision's SSD and against float64 NumPy."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder as TorchvisionCoder
from torchvision.models.detection.ssd import SSD

from vision.core.boxes import cxcywh_to_xyxy
from vision.core.sample import Batch
from vision.engine.training.step import split
from vision.ssd.build import build_loss
from vision.ssd.coding import BoxCoder
from vision.ssd.losses.detection import SsdLoss
from vision.ssd.losses.focal import SigmoidFocal, SoftmaxFocal
from vision.ssd.losses.multibox import Multibox
from vision.ssd.variants import Overlaps


def _batch(boxes: Tensor, labels: Tensor, ignore: Tensor | None = None) -> Batch:
    n = len(boxes)
    return Batch(
        images=torch.zeros(n, 3, 1, 1, dtype=torch.uint8),
        boxes_xyxy=boxes,
        labels=labels,
        ignore_xyxy=torch.zeros(n, 1, 4) if ignore is None else ignore,
        image_ids=torch.arange(n),
        original_hw=torch.ones(n, 2, dtype=torch.int64),
    )


def _outputs(n: int, p: int = 3000, c: int = 81) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    logits = torch.randn(n, p, c, generator=generator) * 3
    return logits.requires_grad_(), torch.randn(n, p, 4, generator=generator).requires_grad_()


def _labels(*shape: int) -> Tensor:
    return torch.randint(1, 81, shape, generator=torch.Generator().manual_seed(8))


def test_it_is_torchvisions(detector, random_boxes):
    """Same matches given, torchvision's SSD sums the same: parts, total and gradients."""
    boxes, labels = random_boxes(0, 4, 6), _labels(4, 6)
    logits, offsets = _outputs(4)
    loss = build_loss(detector)
    batch = _batch(boxes, labels)
    found = loss(logits, offsets, batch)
    theirs = SSD.compute_loss(
        SimpleNamespace(box_coder=TorchvisionCoder((10.0, 10.0, 5.0, 5.0)), neg_to_pos_ratio=3),  # type: ignore[arg-type]
        [{"boxes": boxes[i], "labels": labels[i]} for i in range(4)],
        {"cls_logits": logits, "bbox_regression": offsets},
        [cxcywh_to_xyxy(detector.priors_cxcywh)] * 4,
        list(loss.match(batch).gt_index),
    )
    torch.testing.assert_close(found.localization, theirs["bbox_regression"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.classification, theirs["classification"], rtol=1e-5, atol=1e-5)
    ours = torch.autograd.grad(found.total, (logits, offsets))
    expected = torch.autograd.grad(sum(theirs.values()), (logits, offsets))
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)


def _reference(
    logits: np.ndarray, offsets: np.ndarray, targets: np.ndarray, labels: np.ndarray, ignored: np.ndarray
):
    """float64, image by image, from the equations; targets (N, P, 4), labels (N, P), 0 = background."""
    classification = localization = 0.0
    for image in range(len(logits)):
        shifted = logits[image] - logits[image].max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        loss = -log_p[np.arange(len(log_p)), labels[image]]
        positive = labels[image] > 0
        negative = loss[~positive & ~ignored[image]]
        count = 3 * max(int(positive.sum()), 1)
        classification += loss[positive].sum() + np.sort(negative)[::-1][:count].sum()
        distance = np.abs(offsets[image] - targets[image])[positive]
        localization += np.where(distance < 1, 0.5 * distance**2, distance - 0.5).sum()
    return classification, localization


def test_against_float64_with_crowds_and_empty_images(detector, random_boxes):
    boxes, labels = random_boxes(3, 5, 8), _labels(5, 8)
    labels[1] = 0  # an image without boxes
    boxes[1] = 0
    labels[2, 3:] = 0
    ignore = random_boxes(4, 5, 2)
    ignore[3] = torch.tensor([0.0, 0.0, 1.0, 1.0])  # a crowd all over the image
    logits, offsets = _outputs(5)
    loss, batch = build_loss(detector), _batch(boxes, labels, ignore)
    matches = loss.match(batch)
    index = matches.gt_index.clamp(min=0)
    per_prior = torch.where(matches.positive, labels.gather(1, index), 0)
    rows = torch.arange(5)[:, None]
    targets = BoxCoder().encode(boxes.double()[rows, index], detector.priors_cxcywh.double())
    classification, localization = _reference(
        logits.detach().double().numpy(), offsets.detach().double().numpy(), targets.numpy(),
        per_prior.numpy(), matches.ignored.numpy(),
    )  # fmt: skip
    found = loss(logits, offsets, batch)
    positives = int(matches.positive.sum())
    assert int(found.positives) == positives
    assert found.classification.item() == pytest.approx(classification / positives, rel=1e-5)
    assert found.localization.item() == pytest.approx(localization / positives, rel=1e-5)
    assert found.total.item() == pytest.approx((classification + localization) / positives, rel=1e-5)
    whole = loss(logits, offsets, batch, normaliser=torch.tensor(10.0))
    assert whole.total.item() == pytest.approx((classification + localization) / 10, rel=1e-5)


def _prior_loss(kind: str, logits: np.ndarray, target: int, known: list[int]) -> float:
    """float64, one prior, from the equations, over the columns ``known`` alone; α 0.25, γ 2."""
    if kind == "SigmoidFocal":
        total = 0.0
        for column in known:
            there = column + 1 == target
            p = 1 / (1 + np.exp(-logits[column] if there else logits[column]))
            total -= (0.25 if there else 0.75) * (1 - p) ** 2 * np.log(p)
        return total
    p = np.exp(logits[target]) / np.exp(logits[known]).sum()
    return -np.log(p) if kind == "Multibox" else -(0.25 if target else 0.75) * (1 - p) ** 2 * np.log(p)


KINDS = pytest.mark.parametrize(
    "classes", [Multibox(), SoftmaxFocal(), SigmoidFocal()], ids=lambda one: type(one).__name__
)


@KINDS
def test_classes_that_an_image_is_not_labelled_with_are_no_background_there(detector, random_boxes, classes):
    """float64, prior by prior; of those without a box not the slightest gradient for a class that may be there."""
    first, kind = int(isinstance(classes, SigmoidFocal)), type(classes).__name__
    priors, c = detector.priors_cxcywh[::30], 6 - first
    boxes, labels = random_boxes(3, 3, 4), torch.tensor([[1, 2, 2, 1], [3, 5, 3, 5], [0, 0, 0, 0]])
    unlabelled = torch.tensor([[3, 4, 5], [1, 2, 0], [4, 0, 0]])
    batch = replace(_batch(boxes, labels), unlabelled=unlabelled)
    logits, offsets = _outputs(3, len(priors), c)
    loss = SsdLoss(priors, BoxCoder(), classes, first_class=first)
    matches, found = loss.match(batch), loss(logits, offsets, batch)
    values, expected = logits.detach().double().numpy(), 0.0
    for image in range(3):
        unknown = {label - first for label in unlabelled[image].tolist() if label}
        known = [column for column in range(c) if column not in unknown]
        targets = [int(labels[image, box]) if box >= 0 else 0 for box in matches.gt_index[image].tolist()]
        rows = [
            _prior_loss(kind, values[image, prior], target, list(range(c)) if target else known)
            for prior, target in enumerate(targets)
        ]
        objects = [row for row, target in zip(rows, targets, strict=True) if target]
        others = sorted((row for row, target in zip(rows, targets, strict=True) if not target), reverse=True)
        expected += sum(objects) + sum(others[: 3 * max(1, len(objects))] if kind == "Multibox" else others)
    assert found.classification.item() == pytest.approx(expected / int(found.positives), rel=1e-5)
    found.total.backward()
    background = ~matches.positive
    for image, unknown in enumerate(([3, 4, 5], [1, 2], [4])):
        columns = [label - first for label in unknown]
        gradient = logits.grad[image]
        assert gradient.isfinite().all() and (gradient[background[image]][:, columns] == 0).all()
        assert gradient[background[image]].abs().sum() > 0
        if not first and image < 2:  # what has a label is of that class and of no other
            assert (gradient[matches.positive[image]] != 0).all()


@KINDS
def test_where_all_classes_are_labelled_nothing_is_left_out(detector, random_boxes, classes, monkeypatch):
    """To the bit, and without the work; an image of a union that has them all is trained like that, too."""
    first = int(isinstance(classes, SigmoidFocal))
    logits, offsets = _outputs(2, c=81 - first)
    loss = SsdLoss(detector.priors_cxcywh, BoxCoder(), classes, first_class=first)
    batch = _batch(random_boxes(0, 2, 4), _labels(2, 4))
    padded = loss(logits, offsets, replace(batch, unlabelled=torch.zeros(2, 3, dtype=torch.int64)))
    monkeypatch.setattr(SsdLoss, "_judged", None)
    assert torch.equal(loss(logits, offsets, batch).total, padded.total)


def test_images_without_boxes_train_as_background(detector):
    logits, offsets = _outputs(2)
    found = build_loss(detector)(
        logits, offsets, _batch(torch.zeros(2, 1, 4), torch.zeros(2, 1, dtype=torch.int64))
    )
    assert (int(found.positives), found.localization.item()) == (0, 0.0)
    found.total.backward()
    touched = logits.grad.abs().sum(dim=2) > 0
    assert touched.sum(dim=1).tolist() == [3, 3]
    assert offsets.grad.abs().sum() == 0


def test_nothing_to_learn_is_zero_not_nan(detector):
    """One image that is all crowd: no positives, no negatives."""
    logits, offsets = _outputs(1)
    region = torch.tensor([[[-1.0, -1.0, 2.0, 2.0]]])  # priors reach over the border, so the crowd does too
    found = build_loss(detector)(
        logits, offsets, _batch(torch.zeros(1, 1, 4), torch.zeros(1, 1, dtype=torch.int64), region)
    )
    assert found.total.item() == 0
    found.total.backward()
    assert logits.grad.abs().sum() == 0


def test_a_perfect_answer_costs_nothing(detector, random_boxes):
    boxes, labels = random_boxes(5, 2, 4), _labels(2, 4)
    loss, batch = build_loss(detector), _batch(boxes, labels)
    matches = loss.match(batch)
    index = matches.gt_index.clamp(min=0)
    per_prior = torch.where(matches.positive, labels.gather(1, index), 0)
    logits = torch.nn.functional.one_hot(per_prior, 81).float() * 60
    offsets = BoxCoder().encode(boxes[torch.arange(2)[:, None], index], detector.priors_cxcywh)
    assert float(loss(logits, offsets, batch).total) < 1e-6
    assert float(loss(logits.roll(1, dims=2), offsets, batch).classification) > 50


def test_float32_under_autocast(detector, random_boxes):
    boxes, labels = random_boxes(6, 2, 4), _labels(2, 4)
    logits, offsets = (value.detach().bfloat16() for value in _outputs(2))
    loss, batch = build_loss(detector), _batch(boxes, labels)
    with torch.autocast("cpu", torch.bfloat16):
        inside = loss(logits, offsets, batch)
    outside = loss(logits.float(), offsets.float(), batch)
    assert inside.total.dtype == torch.float32
    assert torch.equal(inside.total, outside.total)


def test_priors_follow_the_batch_to_its_device(detector):
    loss = SsdLoss(detector.priors_cxcywh, BoxCoder())
    loss.match(_batch(torch.zeros(1, 1, 4), torch.zeros(1, 1, dtype=torch.int64)).to("meta"))
    assert loss.priors_cxcywh.device.type == "meta"


@KINDS
def test_parts_of_a_batch_by_one_normaliser_are_the_whole(detector, random_boxes, classes):
    """What processes and accumulated batches rely on, whichever the loss of classes is."""
    boxes, labels = random_boxes(7, 4, 5), _labels(4, 5)
    logits, offsets = _outputs(4, c=80 if isinstance(classes, SigmoidFocal) else 81)
    loss = SsdLoss(detector.priors_cxcywh, BoxCoder(), classes, 0.5, 0.4)
    batch = replace(_batch(boxes, labels), unlabelled=torch.tensor([[3, 0], [3, 9], [0, 0], [7, 0]]))
    whole = loss(logits, offsets, batch)
    positives = loss.match(batch).positive.sum()
    parts = zip((0, 2), split(batch, 2), strict=True)
    halves = [loss(logits[i : i + 2], offsets[i : i + 2], part, positives) for i, part in parts]
    torch.testing.assert_close(halves[0].total + halves[1].total, whole.total, rtol=1e-5, atol=1e-6)


def test_the_row_says_which_loss_and_which_overlaps(detector, random_boxes):
    row = replace(
        detector.variant, loss="softmax-focal", loss_options={"alpha": None}, matching=Overlaps(0.6, 0.3)
    )
    changed = copy.copy(detector)
    changed.variant = row
    loss = build_loss(changed)
    assert loss.classes == SoftmaxFocal(alpha=None) and loss.first_class == 0
    changed.variant = replace(row, loss="sigmoid-focal", loss_options={}, score_function="sigmoid")
    assert build_loss(changed).first_class == 1
    boxes = random_boxes(0, 1, 6)
    matches = loss.match(_batch(boxes, _labels(1, 6)))
    by_overlap = matches.iou[~matches.forced & matches.positive]
    assert matches.ignored.any() and matches.iou[matches.ignored].min() >= 0.3
    assert by_overlap.min() >= 0.6


def test_boxes_that_are_the_priors_cost_nothing(detector, random_boxes):
    logits, offsets = _outputs(1)
    loss = SsdLoss(detector.priors_cxcywh, BoxCoder(), box_regression=False)
    found = loss(logits, offsets, _batch(random_boxes(0, 1, 3), _labels(1, 3)))
    assert found.localization.item() == 0 and found.total == found.classification
