"""SqueezeNet 1.1 against torchvision's own."""

from __future__ import annotations

import torch
import torchvision
from torch import nn

from tests.nn.backbones.drawn import map_shapes, parameters_of
from vision.nn.backbones.squeezenet import SqueezeNet

ALL = ("8", "16", "last-16")


def test_same_numbers_as_torchvision() -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.squeezenet1_1(weights=None).eval()
    for layer in theirs.features:
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = False
    ours = SqueezeNet(ALL).eval()
    whole = {name.removeprefix("features."): value for name, value in theirs.state_dict().items()}
    assert ours.is_torchvision(whole) and not ours.is_torchvision(ours.state_dict())
    ours.load_state_dict(ours.from_torchvision(whole), strict=True)
    images = torch.randn(2, 3, 97, 130)
    with torch.no_grad():
        expected = [theirs.features[:count](images) for count in (8, 12, 13)]
        torch.testing.assert_close(ours(images), expected)


def test_published_sizes() -> None:
    """1,235,496 of torchvision's classifier without its last 512 × 1000 + 1000; 17 cells are those of pytorch-ssd's priors."""
    assert parameters_of(SqueezeNet()) == 1_235_496 - 513_000
    assert map_shapes(SqueezeNet(ALL), 300, 300) == [(256, 36, 36), (512, 17, 17), (512, 17, 17)]
    assert map_shapes(SqueezeNet(("16",), 0.25, 1), 160, 96, 1) == [(128, 9, 5)]
