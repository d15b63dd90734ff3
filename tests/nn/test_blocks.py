"""Blocks at the sizes where they are special."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vision.nn.blocks import BatchNorm2d, InvertedResidual, make_divisible


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
