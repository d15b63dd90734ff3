"""Focal loss against torchvision's, against float64 from the equation, and at the ends of what numbers can be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from vision.ssd.losses.focal import SigmoidFocal, SoftmaxFocal
from vision.ssd.losses.matching import Matches

N, P, C = 3, 200, 6


def _case(values: int, spread: float = 3.0) -> tuple[Tensor, Tensor, Matches]:
    """Logits, targets with a tenth of objects, and a tenth of priors that are ignored."""
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(N, P, values, generator=generator) * spread
    positive = torch.rand(N, P, generator=generator) < 0.1
    targets = torch.where(positive, torch.randint(1, C, (N, P), generator=generator), 0)
    ignored = (torch.rand(N, P, generator=generator) < 0.1) & ~positive
    gt_index = torch.where(positive, 0, -1)
    return logits.requires_grad_(), targets, Matches(gt_index, torch.zeros(N, P), positive, ignored)


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.7, 1.0), (None, 2.0), (0.25, 0.0), (0.25, 0.5)])
def test_by_sigmoids_it_is_torchvisions(alpha, gamma):
    """Values and gradients; torchvision writes no alpha as a negative one."""
    logits, targets, matches = _case(C - 1)
    found = SigmoidFocal(alpha, gamma)(logits, targets, matches)
    one_hot = torch.nn.functional.one_hot(targets, C)[..., 1:].float()
    theirs = sigmoid_focal_loss(logits, one_hot, -1.0 if alpha is None else alpha, gamma)
    expected = theirs[~matches.ignored].sum()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    gradients = (torch.autograd.grad(value, logits)[0] for value in (found, expected))
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.7, 1.5), (None, 2.0), (0.25, 0.0)])
def test_by_softmax_against_float64(alpha, gamma):
    logits, targets, matches = _case(C)
    found = SoftmaxFocal(alpha, gamma)(logits, targets, matches)
    raised = np.exp(logits.detach().double().numpy())
    p = np.take_along_axis(raised / raised.sum(-1, keepdims=True), targets.numpy()[..., None], -1)[..., 0]
    weight = 1.0 if alpha is None else np.where(targets.numpy() > 0, alpha, 1 - alpha)
    loss = -weight * (1 - p) ** gamma * np.log(p)
    assert found.item() == pytest.approx(loss[~matches.ignored.numpy()].sum(), rel=1e-5)


@pytest.mark.parametrize("loss", [SoftmaxFocal(0.3, 2.0), SigmoidFocal(0.3, 2.0), SoftmaxFocal(None, 0.5)])
def test_gradients_are_those_of_differences(loss):
    """Also through the weight (1 − p)^γ, which some implementations take for a constant."""
    logits, targets, matches = _case(C if isinstance(loss, SoftmaxFocal) else C - 1)
    few = Matches(
        *(part[:1, :12] for part in (matches.gt_index, matches.iou, matches.forced, matches.ignored))
    )
    assert torch.autograd.gradcheck(
        lambda x: loss(x, targets[:1, :12], few), logits[:1, :12].detach().double().requires_grad_()
    )


def test_at_gamma_0_it_is_cross_entropy():
    logits, targets, matches = _case(C)
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    torch.testing.assert_close(
        SoftmaxFocal(None, 0.0)(logits, targets, matches), expected[~matches.ignored.flatten()].sum()
    )


@pytest.mark.parametrize("loss", [SoftmaxFocal(0.25, 2.0), SigmoidFocal(0.25, 2.0), SoftmaxFocal(None, 0.5)])
@pytest.mark.parametrize("size", [60.0, 1e4])
def test_logits_of_any_size_have_finite_gradients(loss, size):
    """Where p is 0 or 1 in float32, ln p and powers of 1 − p have slopes of their own."""
    logits, targets, matches = _case(C if isinstance(loss, SoftmaxFocal) else C - 1, spread=size)
    found = loss(logits, targets, matches)
    found.backward()
    assert found.isfinite() and logits.grad.isfinite().all()
    assert not logits.grad[matches.ignored].any() and logits.grad[matches.positive].any()


@pytest.mark.parametrize("loss", [SoftmaxFocal(), SigmoidFocal()])
def test_what_is_not_a_number_is_not_left_out(loss):
    logits, targets, matches = _case(C if isinstance(loss, SoftmaxFocal) else C - 1)
    with torch.no_grad():
        logits[0, int((~matches.ignored[0]).nonzero()[0])] = torch.nan
    assert loss(logits, targets, matches).isnan()


def test_options_that_mean_nothing_are_refused():
    for options in ({"alpha": 1.5}, {"alpha": -1.0}, {"gamma": -0.5}, {"gamma": float("nan")}):
        with pytest.raises(ValueError, match="alpha is 0 to 1, gamma at least 0"):
            SigmoidFocal(**options)
