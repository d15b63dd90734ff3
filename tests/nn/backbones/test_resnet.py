"""ResNets against torchvision's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision

from tests.nn.backbones.drawn import map_shapes, parameters_of, with_statistics
from vision.ssd.build import BACKBONES

models = torchvision.models
ALL = ("8", "16", "32")


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_names_and_sizes_are_torchvisions(depth: int) -> None:
    with torch.device("meta"):
        theirs = getattr(models, f"resnet{depth}")(weights=None)
        ours: Any = BACKBONES[f"resnet{depth}"](ALL, 1.0, 3)
    assert ours.is_torchvision(theirs.state_dict()) and not ours.is_torchvision(ours.state_dict())
    renamed = ours.from_torchvision(theirs.state_dict())
    assert {name: value.shape for name, value in renamed.items()} == {
        name: value.shape for name, value in ours.state_dict().items()
    }
    assert parameters_of(ours) == parameters_of(theirs) - parameters_of(theirs.fc)


@pytest.mark.parametrize("depth", [18, 50])
def test_same_numbers_as_torchvision(depth: int) -> None:
    """Both kinds of block, at a size that is not square."""
    torch.manual_seed(0)
    theirs: Any = with_statistics(getattr(models, f"resnet{depth}")(weights=None))
    ours: Any = BACKBONES[f"resnet{depth}"](ALL, 1.0, 3).eval()
    ours.load_state_dict(ours.from_torchvision(theirs.state_dict()), strict=True)
    images = torch.randn(1, 3, 65, 98)
    with torch.no_grad():
        x = theirs.layer1(theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(images)))))
        for found, stage in zip(ours(images), (theirs.layer2, theirs.layer3, theirs.layer4), strict=True):
            x = stage(x)
            torch.testing.assert_close(found, x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("depth", "widening"), [(18, 1), (34, 1), (50, 4), (101, 4)])
def test_maps(depth: int, widening: int) -> None:
    """Table 1 of the paper; layer4 is left out where nothing looks at it."""
    net: Any = BACKBONES[f"resnet{depth}"](ALL, 1.0, 3)
    assert map_shapes(net, 300, 300) == [
        (128 * widening, 38, 38),
        (256 * widening, 19, 19),
        (512 * widening, 10, 10),
    ]
    small: Any = BACKBONES[f"resnet{depth}"](("8", "16"), 0.25, 1)
    assert not hasattr(small, "layer4")
    assert map_shapes(small, 96, 160, 1) == [(32 * widening, 12, 20), (64 * widening, 6, 10)]
