"""MobileNetV2 against torchvision's own, and blocks at the sizes where they are special."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from vision.nn.backbones.mobilenet_v2 import MobileNetV2
from vision.nn.blocks import BatchNorm2d, InvertedResidual, make_divisible
from vision.nn.necks.extra_layers import inverted_residual_extras


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    torch.manual_seed(3)
    net = torchvision.models.mobilenet_v2(weights=None).eval()
    for layer in net.modules():  # statistics that are not 0 and 1, so that a mix-up shows
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.1, 0.1)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return net


def test_same_numbers_as_torchvision(theirs):
    ours = MobileNetV2().eval()
    ours.load_state_dict(ours.from_torchvision(theirs.features.state_dict()), strict=True)
    images = torch.randn(2, 3, 97, 130)
    with torch.no_grad():
        tap, last = ours(images)
        expected_tap = theirs.features[14].conv[0](theirs.features[:14](images))
        torch.testing.assert_close(last, theirs.features(images))
    torch.testing.assert_close(tap, expected_tap)
    assert tap.shape[1:] == (576, 7, 9)
    assert last.shape[1:] == (1280, 4, 5)


@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.0, 1.4])
def test_widths_are_torchvisions(width):
    """Up to the last 1×1, which torchvision keeps at 1280 below width 1."""
    theirs = torchvision.models.mobilenet_v2(weights=None, width_mult=width).features
    ours = MobileNetV2(width_mult=width)
    shapes = {name: value.shape for name, value in ours.from_torchvision(theirs.state_dict()).items()}
    own = {name: value.shape for name, value in ours.state_dict().items()}
    assert list(shapes) == list(own)
    assert {k: v for k, v in shapes.items() if k[:3] != "18."} == {
        k: v for k, v in own.items() if k[:3] != "18."
    }
    assert ours.out_channels[1] == make_divisible(1280, width)


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


def test_extras_halve_down_to_one_cell():
    neck = inverted_residual_extras((576, 1280)).eval()
    maps = neck([torch.zeros(1, 576, 19, 19), torch.zeros(1, 1280, 10, 10)])
    assert [tuple(features.shape[1:]) for features in maps] == [
        (576, 19, 19), (1280, 10, 10), (512, 5, 5), (256, 3, 3), (256, 2, 2), (64, 1, 1),
    ]  # fmt: skip
    assert neck.out_channels == (576, 1280, 512, 256, 256, 64)
