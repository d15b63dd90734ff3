"""Grey and RGB: the same features from either first convolution, the outermost cells included."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from vision.core.sample import InputSpec, grey
from vision.nn.input_channels import on_rgb, with_channels
from vision.ssd.build import BACKBONES
from vision.ssd.variants import VARIANTS


def backbone_and_conv(name: str, channels: int) -> tuple[nn.Module, str]:
    """The backbone of the first row that has it, narrow, in float64; and the name of its first convolution."""
    torch.manual_seed(5)
    row = next(row for row in VARIANTS.values() if row.backbone == name)
    net: Any = BACKBONES[name](row.sources, 0.25, channels).double().eval()
    return net, net.first_layer[0]


@pytest.mark.parametrize("name", sorted({row.backbone for row in VARIANTS.values()}))
def test_a_grey_backbone_on_rgb_sees_the_grey(name: str) -> None:
    net, conv = backbone_and_conv(name, 1)
    pixels = torch.randint(0, 256, (2, 3, 97, 66))
    spec = InputSpec(97, 66)
    with torch.no_grad():
        expected = net(InputSpec(97, 66, channels=1).normalise(pixels).double())
        on_rgb(net, conv)
        found = net(spec.normalise(pixels).double())
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)  # the normalisation is float32


@pytest.mark.parametrize("name", sorted({row.backbone for row in VARIANTS.values()}))
@pytest.mark.parametrize("channels", [1, 3])
def test_weights_of_the_other_kind_give_the_features_they_gave(name: str, channels: int) -> None:
    """A grey image in all three channels for RGB weights; the grey of an image for grey ones."""
    given, conv = backbone_and_conv(name, 4 - channels)
    taking, _ = backbone_and_conv(name, channels)
    images = torch.randn(2, 3, 97, 66, dtype=torch.float64)
    weights, notes = with_channels(given.state_dict(), conv, taking)
    taking.load_state_dict(weights)
    with torch.no_grad():
        if channels == 1:
            expected, found = given(grey(images).expand(-1, 3, -1, -1)), taking(grey(images))
        else:
            expected, found = given(grey(images)), taking(images)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    assert len(notes) == 1 and "first layer" in notes[0]


def test_weights_of_the_same_kind_and_of_neither_stay_as_they_are() -> None:
    net, conv = backbone_and_conv("mobilenet-v2", 3)
    for kernel in (torch.zeros(8, 3, 3, 3), torch.zeros(8, 4, 3, 3), torch.zeros(3)):
        weights = {f"{conv}.weight": kernel}
        assert with_channels(weights, conv, net) == (weights, [])
    assert with_channels({}, conv, net) == ({}, [])
