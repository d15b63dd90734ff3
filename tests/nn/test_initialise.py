"""The first weights are spread as torchvision spreads them, which also follows He et al. 2015 (fan out)."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from vision.nn.backbones.mobilenet_v2 import MobileNetV2
from vision.nn.initialise import initialise_convolutions


def test_spread_of_every_convolution_is_torchvisions():
    """Depthwise ones too, where fan in and fan out differ by the number of channels."""
    torch.manual_seed(1)
    theirs = torchvision.models.mobilenet_v2(weights=None).features
    ours = MobileNetV2()
    initialise_convolutions(ours)
    expected = ours.from_torchvision(theirs.state_dict())
    compared = 0
    for name, layer in ours.named_modules():
        if isinstance(layer, nn.Conv2d):
            spread = float(expected[f"{name}.weight"].std())
            # the standard error of a standard deviation of n numbers is 1 / √(2 n) of it; √2 · 5 of them, since both are drawn
            assert float(layer.weight.detach().std()) == pytest.approx(
                spread, rel=7 / (2 * layer.weight.numel()) ** 0.5
            )
            compared += 1
    assert compared == 52


def test_biases_and_batch_norms_begin_neutral():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    for parameter in module.parameters():
        nn.init.constant_(parameter, 7.0)
    initialise_convolutions(module)
    convolution, norm = module
    assert convolution.bias.eq(0).all() and norm.weight.eq(1).all() and norm.bias.eq(0).all()
    assert convolution.weight.std() > 0
