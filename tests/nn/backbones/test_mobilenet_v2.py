"""MobileNetV2 against torchvision's own."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from tests.nn.backbones.drawn import with_statistics
from vision.nn.backbones.mobilenet_v2 import MobileNetV2
from vision.nn.blocks import make_divisible


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    return with_statistics(torchvision.models.mobilenet_v2(weights=None))


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
