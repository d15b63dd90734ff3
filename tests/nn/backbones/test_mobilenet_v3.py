"""MobileNetV3 against torchvision's own: as a classifier's features, and as its ssdlite320 takes it apart."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from tests.nn.backbones.drawn import map_shapes, parameters_of, with_statistics
from vision.nn.backbones.mobilenet_v3 import EPS, LARGE, MOMENTUM, SMALL, MobileNetV3

NORM = partial(nn.BatchNorm2d, eps=EPS, momentum=MOMENTUM)
ROWS = {"large": LARGE, "small": SMALL}


def _theirs(size: str, reduced: bool = False, width: float = 1.0) -> Any:
    build = getattr(torchvision.models, f"mobilenet_v3_{size}")
    return build(weights=None, norm_layer=NORM, reduced_tail=reduced, width_mult=width)


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize(("size", "last_16"), [("large", 12), ("small", 8)])
def test_same_numbers_as_torchvision(size: str, last_16: int, reduced: bool) -> None:
    torch.manual_seed(0)
    theirs = with_statistics(_theirs(size, reduced))
    last = "reduced-32" if reduced else "last-32"
    ours = MobileNetV3(ROWS[size], ("16", "expansion-16", last)).eval()
    ours.load_state_dict(theirs.features.state_dict(), strict=True)
    assert MobileNetV3.is_torchvision(theirs.state_dict())
    images = torch.randn(1, 3, 97, 130)
    with torch.no_grad():
        x = theirs.features[: last_16 + 1](images)
        expected = [x, theirs.features[last_16 + 1].block[0](x), theirs.features(images)]
        torch.testing.assert_close(ours(images), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("width", [0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("size", ["large", "small"])
def test_widths_are_torchvisions(size: str, width: float) -> None:
    with torch.device("meta"):
        theirs, ours = _theirs(size, width=width), MobileNetV3(ROWS[size], ("last-32",), width)
    assert {name: v.shape for name, v in theirs.features.state_dict().items()} == {
        name: v.shape for name, v in ours.state_dict().items()
    }


def test_batch_norm_has_the_numbers_of_torchvisions_ssdlite() -> None:
    theirs = torchvision.models.detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
    expected = {(m.eps, m.momentum) for m in theirs.backbone.modules() if isinstance(m, nn.BatchNorm2d)}
    ours = MobileNetV3(LARGE)
    found = {(m.eps, m.momentum) for m in ours.modules() if isinstance(m, nn.BatchNorm2d)}
    assert found == expected == {(EPS, MOMENTUM)}
    assert parameters_of(ours) == parameters_of(theirs.backbone.features)


def test_maps() -> None:
    names = ("8", "16", "expansion-16", "32", "last-32")
    assert map_shapes(MobileNetV3(LARGE, names), 300, 300) == [
        (40, 38, 38), (112, 19, 19), (672, 19, 19), (160, 10, 10), (960, 10, 10),
    ]  # fmt: skip
    assert map_shapes(MobileNetV3(SMALL, names), 300, 300) == [
        (24, 38, 38), (48, 19, 19), (288, 19, 19), (96, 10, 10), (576, 10, 10),
    ]  # fmt: skip
    assert map_shapes(MobileNetV3(LARGE), 320, 192) == [(672, 20, 12), (480, 10, 6)]
    assert map_shapes(MobileNetV3(SMALL, in_channels=1), 320, 192, 1) == [(288, 20, 12), (288, 10, 6)]
