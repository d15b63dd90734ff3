"""The loss against torchvision's SSD and against float64 NumPy."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder as TorchvisionCoder
from torchvision.models.detection.ssd import SSD

from vision.core.boxes import cxcywh_to_xyxy
from vision.core.sample import Batch
from vision.ssd.build import build_loss
from vision.ssd.coding import BoxCoder
from vision.ssd.loss import SsdLoss, hard_negatives
from vision.ssd.matching import Matches


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


@pytest.mark.parametrize("positives", [0, 1, 40, 150, 190])
def test_hard_negatives_against_two_sorts(positives):
    """The usual form: a negative is hard where its rank is below 3 × positives. The bound never cuts any off."""
    generator = torch.Generator().manual_seed(positives)
    loss = torch.rand(3, 200, generator=generator)
    gt_index = torch.full((3, 200), -1)
    for image in range(3):
        gt_index[image, torch.randperm(200, generator=generator)[: max(positives - image, 0)]] = 0
    ignored = (torch.rand(3, 200, generator=generator) < 0.1) & (gt_index < 0)
    matches = Matches(gt_index, loss, gt_index >= 0, ignored)
    candidate = (gt_index < 0) & ~ignored
    rank = torch.where(candidate, loss, -torch.inf).argsort(dim=1, descending=True).argsort(dim=1)
    count = 3 * (gt_index >= 0).sum(dim=1, keepdim=True).clamp(min=1)
    assert torch.equal(hard_negatives(loss, matches), (rank < count) & candidate)


def test_bound_on_the_device_is_large_enough(monkeypatch):
    """Where the host may not look at the counts, as on a GPU, the result is the same."""
    loss = torch.rand(4, 97, generator=torch.Generator().manual_seed(1))
    gt_index = torch.full((4, 97), -1)
    for image, count in enumerate((0, 24, 25, 97)):
        gt_index[image, :count] = 0
    matches = Matches(gt_index, loss, gt_index >= 0, torch.zeros(4, 97, dtype=torch.bool))
    on_host = hard_negatives(loss, matches)
    monkeypatch.setattr("torch.compiler.is_compiling", lambda: True)
    assert torch.equal(hard_negatives(loss, matches), on_host)


def test_priors_follow_the_batch_to_its_device(detector):
    loss = SsdLoss(detector.priors_cxcywh, BoxCoder())
    loss.match(_batch(torch.zeros(1, 1, 4), torch.zeros(1, 1, dtype=torch.int64)).to("meta"))
    assert loss.priors_cxcywh.device.type == "meta"


def test_which_of_equal_negatives_are_taken_does_not_depend_on_the_rest_of_the_batch():
    """A net that has just begun gives many priors the same loss."""
    loss = torch.tensor([1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.5] * 12)[None].repeat(2, 1)
    gt_index = torch.full(loss.shape, -1)
    gt_index[0, 0], gt_index[1, :20] = 0, 0
    matches = Matches(gt_index, loss, gt_index >= 0, torch.zeros(loss.shape, dtype=torch.bool))
    first = Matches(*(tensor[:1] for tensor in (gt_index, loss, gt_index >= 0, matches.ignored)))
    together = hard_negatives(loss, matches)
    assert torch.equal(together[:1], hard_negatives(loss[:1], first))
    assert together[0].nonzero().flatten().tolist() == [1, 2, 3], "the first ones of equal loss"


def test_a_background_prior_that_is_not_a_number_is_not_left_out():
    loss = torch.tensor([[1.0, 2.0, float("nan"), 3.0, 4.0, 0.5]])
    gt_index = torch.tensor([[0, -1, -1, -1, -1, -1]])
    matches = Matches(gt_index, loss, gt_index >= 0, torch.zeros(1, 6, dtype=torch.bool))
    assert hard_negatives(loss, matches)[0].tolist() == [False, False, True, True, True, False]
