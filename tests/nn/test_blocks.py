"""Blocks at the sizes where they are special."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.nn.test_recompute import kept_bytes
from vision.nn.blocks import BatchNorm2d, InvertedResidual, ReLU6, make_divisible

EDGES = [-torch.inf, -1.0, -0.0, 0.0, 1e-45, 3.0, 5.9999995, 6.0, 6.0000005, torch.inf, torch.nan]


@pytest.mark.parametrize(
    ("channels", "width", "expected"), [(32, 0.35, 16), (96, 0.35, 32), (24, 0.5, 16), (1280, 1, 1280)]
)
def test_rounding_by_hand(channels, width, expected):
    """32 · 0.35 = 11.2 → 8 is more than 10 % below, so 16; 33.6 → 32; 12 → 16 (halves up)."""
    assert make_divisible(channels, width) == expected


def test_expand_one_block_has_no_expansion():
    block = InvertedResidual(8, 16, 1, 1)
    assert [type(layer).__name__ for layer in block.conv] == [
        "Conv2d",
        "BatchNorm2d",
        "ReLU6",
        "Conv2d",
        "BatchNorm2d",
    ]
    x = torch.randn(2, 8, 5, 5)
    assert block.forward_with_expansion(x)[0] is x


def test_block_adds_its_input_only_where_the_shape_is_kept():
    assert InvertedResidual(8, 8, 1, 6).adds_input
    assert not InvertedResidual(8, 8, 2, 6).adds_input
    assert not InvertedResidual(8, 16, 1, 6).adds_input


def test_batch_norm_trains_on_a_single_value():
    layer = BatchNorm2d(4)
    layer.running_mean.fill_(2.0)
    x = torch.randn(1, 4, 1, 1, requires_grad=True)
    y = layer(x)
    torch.testing.assert_close(y, (x - 2.0) / (1 + layer.eps) ** 0.5)
    y.sum().backward()
    assert layer.weight.grad is not None
    assert layer.running_mean.eq(2.0).all()


def test_batch_norm_is_the_plain_one_otherwise():
    ours, plain = BatchNorm2d(4), nn.BatchNorm2d(4)
    for shape in ((1, 4, 2, 1), (2, 4, 1, 1)):
        x = torch.randn(shape)
        assert torch.equal(ours(x), plain(x))
    assert torch.equal(ours.running_var, plain.running_var)
    assert int(ours.num_batches_tracked) == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_and_gradients_are_torchs_also_at_the_edges(dtype: torch.dtype) -> None:
    x = torch.cat([torch.tensor(EDGES), torch.linspace(-9, 15, 500)]).to(dtype)
    upstream = torch.linspace(-2, 2, len(x)).to(dtype)
    found = []
    for layer in (ReLU6(), nn.ReLU6(inplace=True)):
        leaf = x.clone().requires_grad_()
        out = layer(leaf * 1)
        out.backward(upstream)
        assert leaf.grad is not None
        found.append((out.detach(), leaf.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)


def test_a_block_keeps_two_maps_a_convolution_not_three() -> None:
    ours, plain = InvertedResidual(16, 24, 1, 6), InvertedResidual(16, 24, 1, 6)
    for place in (2, 5):
        plain.conv[place] = nn.ReLU6(inplace=True)
    images = torch.zeros(2, 16, 32, 32)
    assert kept_bytes(ours, images) < 0.72 * kept_bytes(plain, images)


def test_without_gradients_and_while_a_graph_is_traced_it_is_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError("not here")

    monkeypatch.setattr("vision.nn.blocks._ClippedInPlace.apply", refuse)
    with torch.no_grad():
        assert ReLU6()(torch.tensor([7.0])).item() == 6
    traced = torch.jit.trace(nn.Sequential(nn.Linear(1, 1), ReLU6()), torch.ones(1, 1))
    assert "hardtanh_" in str(traced.inlined_graph)
