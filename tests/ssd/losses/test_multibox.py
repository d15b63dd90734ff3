"""Hard negatives, against two sorts."""

from __future__ import annotations

import pytest
import torch

from vision.ssd.losses.matching import Matches
from vision.ssd.losses.multibox import hard_negatives


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
