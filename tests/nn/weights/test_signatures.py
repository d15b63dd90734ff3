"""Nets are told by names and shapes: ours, torchvision's as torchvision builds them, and pytorch-ssd's by its layout."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn

from vision.core.sample import InputSpec
from vision.nn.weights.signatures import UNKNOWN, looks_like, net_in
from vision.ssd.build import assemble, build_detector
from vision.ssd.variants import VARIANTS, find

models = torchvision.models


def on_meta(build: Callable[[], nn.Module]) -> dict[str, Tensor]:
    with torch.device("meta"):
        return build().state_dict()


@pytest.mark.parametrize("width", [0.1, 0.25, 0.35, 0.5, 0.75, 1.0, 1.4])
@pytest.mark.parametrize("net", [name for name in VARIANTS if name == "mb2-ssd-lite"])
def test_ours_with_its_width(net: str, width: float) -> None:
    state = on_meta(lambda: build_detector(find(net), 3, InputSpec(64, 64), width))
    assert looks_like(state) == f"{net} at --width-mult {width:g}"
    assert looks_like({f"module.{name}": value for name, value in state.items()}) == looks_like(state)
    trunk = {name: value for name, value in state.items() if name.startswith("base_net.")}
    assert looks_like(trunk) == f"the backbone of mb2-ssd at --width-mult {width:g}"


def of_each_part() -> list[str]:
    """Nets that have every backbone and every neck between them."""
    seen: set[object] = set()
    chosen = []
    for row in VARIANTS.values():
        parts = {row.backbone, (row.neck, *map(str, sorted(row.neck_options.items())), row.heads)}
        if not parts <= seen and row.name not in LIKE_OTHERS:
            chosen.append(row.name)
            seen |= parts
    return chosen


LIKE_OTHERS = ("mb2-ssd-lite",)
"""Told with its width, above."""


@pytest.mark.parametrize("net", of_each_part())
def test_every_net_is_named(net: str) -> None:
    row = find(net)
    state = on_meta(lambda: assemble(row, 3, InputSpec(64, 64), 1.0, next(iter(row.priors))))
    seen = looks_like(state)
    assert net_in(seen) is not None
    same = on_meta(lambda: assemble(find(seen), 3, InputSpec(64, 64), 1.0, next(iter(find(seen).priors))))
    assert {name: value.shape for name, value in state.items()} == {
        name: value.shape for name, value in same.items()
    }


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: models.mobilenet_v2(weights=None), "torchvision's MobileNetV2 (a classifier) at --width-mult 1"),
        (lambda: models.mobilenet_v2(weights=None, width_mult=0.5), "torchvision's MobileNetV2 (a classifier) at --width-mult 0.5"),
        (lambda: models.mobilenet_v3_small(weights=None), "torchvision's MobileNetV3 (a classifier)"),
        (lambda: models.mobilenet_v3_large(weights=None), "torchvision's MobileNetV3 (a classifier)"),
        (lambda: models.vgg16(weights=None), "VGG-16 (a classifier)"),
        (lambda: models.squeezenet1_1(weights=None), "SqueezeNet (a classifier)"),
        (lambda: models.squeezenet1_0(weights=None), "SqueezeNet (a classifier)"),
        (lambda: models.resnet18(weights=None), "ResNet-18 (a classifier)"),
        (lambda: models.resnet50(weights=None), "ResNet-50 (a classifier)"),
        (lambda: models.efficientnet_b0(weights=None), "an EfficientNet"),
        (lambda: models.detection.ssd300_vgg16(weights=None, weights_backbone=None), "torchvision's ssd300_vgg16"),
        (
            lambda: models.detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None),
            "torchvision's ssdlite320_mobilenet_v3_large",
        ),
        (
            lambda: models.detection.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None),
            "torchvision's Faster R-CNN or its kin",
        ),
        (
            lambda: models.detection.retinanet_resnet50_fpn(weights=None, weights_backbone=None),
            "torchvision's RetinaNet or FCOS",
        ),
        (lambda: models.shufflenet_v2_x1_0(weights=None), UNKNOWN),
        (lambda: nn.Linear(2, 2), UNKNOWN),
    ],
)  # fmt: skip
def test_torchvisions(build: Callable[[], nn.Module], says: str) -> None:
    assert looks_like(on_meta(build)) == says


def separable(channels_in: int, channels_out: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, 3, groups=channels_in),
        nn.ReLU(),
        nn.Conv2d(channels_in, channels_out, 1),
    )


def detector(base: nn.Module, header: Callable[[int, int], nn.Module]) -> nn.Module:
    net = nn.Module()
    net.base_net = base
    net.classification_headers = nn.ModuleList([header(8, 12)])
    net.regression_headers = nn.ModuleList([header(8, 24)])
    return net


def mobilenet_v1() -> nn.Module:
    """Layers 0 to 13 in pytorch-ssd's numbering: convolution, BN, ReLU, and 13 separable ones of six layers."""
    channels = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    layers = [nn.Sequential(nn.Conv2d(3, 32, 3, bias=False), nn.BatchNorm2d(32), nn.ReLU())]
    for inside, outside in itertools.pairwise(channels):
        depthwise = nn.Conv2d(inside, inside, 3, groups=inside, bias=False)
        pointwise = nn.Conv2d(inside, outside, 1, bias=False)
        layers.append(
            nn.Sequential(
                depthwise, nn.BatchNorm2d(inside), nn.ReLU(), pointwise, nn.BatchNorm2d(outside), nn.ReLU()
            )
        )
    return nn.Sequential(*layers)


class Block(nn.Module):
    """A block of pytorch-ssd's MobileNetV3, as far as it has names."""

    def __init__(self) -> None:
        super().__init__()
        for number in (1, 2, 3):
            setattr(self, f"conv{number}", nn.Conv2d(16, 16, 1))
            setattr(self, f"bn{number}", nn.BatchNorm2d(16))


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: detector(mobilenet_v1(), lambda a, b: nn.Conv2d(a, b, 3)), "mb1-ssd"),
        (lambda: detector(mobilenet_v1(), separable), "mb1-ssd-lite"),
        (lambda: detector(models.vgg16(weights=None).features, lambda a, b: nn.Conv2d(a, b, 3)), "vgg16-ssd"),
        (lambda: detector(models.squeezenet1_1(weights=None).features, separable), "sq-ssd-lite"),
        (lambda: detector(nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), *(Block() for _ in range(4))), separable), "pytorch-ssd's mb3-ssd-lite, whose blocks differ from those of torchvision's MobileNetV3"),
        (lambda: detector(nn.Linear(2, 2), separable), f"an SSD of pytorch-ssd's form with a backbone that is {UNKNOWN}"),
        (lambda: nn.ModuleDict({"model": mobilenet_v1(), "fc": nn.Linear(4, 4)}), "MobileNetV1 (a classifier)"),
    ],
)  # fmt: skip
def test_pytorch_ssds(build: Callable[[], nn.Module], says: str) -> None:
    assert looks_like(on_meta(build)) == says
