"""SSD's extra layers: each halves the map before it, down to 1 × 1 (Liu et al. 2016, figure 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from torch import Tensor, nn

from vision.nn.backbones.mobilenet_v3 import conv_bn_act
from vision.nn.blocks import (
    BatchNorm2d,
    InvertedResidual,
    L2Norm,
    ReLU6,
    UnpaddedConv2d,
    conv_bn_relu6,
    make_divisible,
)

Kind = TypeVar("Kind", str, int)
STRIDES = {"halve": 2, "shrink": 1}
"""What an extra layer does to its map: half the cells, or two cells less a side (stride 1 without padding)."""


NORMS: dict[str, Callable[[int], nn.Module]] = {"none": nn.Identity, "l2": L2Norm, "batch": BatchNorm2d}
"""``l2`` is the paper's, ``batch`` what pytorch-ssd has in its place."""


class ExtraLayers(nn.ModuleList):
    """The backbone's maps, and one more for each layer here, numbered from 0.

    ``normalise`` is one of ``NORMS``, for the finest map (``norm``): activations of early layers are larger than others.
    With ``hidden`` the backbone's last map feeds the layers and is itself not given.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        layers: Sequence[nn.Module],
        channels: Sequence[int],
        normalise: str = "none",
        hidden: bool = False,
    ) -> None:
        super().__init__(layers)
        self.layers = len(layers)
        self.norm = NORMS[normalise](in_channels[0])
        self.given = len(in_channels) - hidden
        self.out_channels = (*in_channels[: self.given], *channels)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps, finest first → the same and coarser ones."""
        coarser = [maps[-1]]
        for number in range(self.layers):
            coarser.append(self[number](coarser[-1]))
        return [self.norm(maps[0]), *maps[1 : self.given], *coarser[1:]]


def no_layers(in_channels: Sequence[int], width_mult: float = 1.0) -> ExtraLayers:
    """The backbone's maps as they are."""
    return ExtraLayers(in_channels, (), ())


# output channels and expansion of each block of mb2-ssd-lite
INVERTED_RESIDUALS = ((512, 0.2), (256, 0.25), (256, 0.5), (64, 0.25))


def inverted_residual_extras(in_channels: Sequence[int], width_mult: float = 1.0) -> ExtraLayers:
    """Four inverted residuals of stride 2: with the 10 × 10 map of 300 px they give 5, 3, 2 and 1 cells."""
    channels = in_channels[-1]
    layers: list[InvertedResidual] = []
    for wanted, expand_ratio in INVERTED_RESIDUALS:
        layers.append(InvertedResidual(channels, make_divisible(wanted, width_mult), 2, expand_ratio))
        channels = layers[-1].out_channels
    return ExtraLayers(in_channels, layers, [layer.out_channels for layer in layers])


def ssd_neck(
    in_channels: Sequence[int],
    width_mult: float,
    plan: Sequence[tuple[str, int]],
    lite: bool = False,
    normalise: str = "l2",
) -> ExtraLayers:
    """The neck of ssds.pytorch's ``ssd``, or of its ``ssd_lite`` with separable extra layers.

    ``plan`` names of each extra layer what it does (``STRIDES``) and its channels at width 1.
    """
    make = lite_extra if lite else plain_extra
    layers, channels = _chained(
        in_channels, width_mult, plan, lambda before, depth, kind: make(before, depth, STRIDES[kind])
    )
    return ExtraLayers(in_channels, layers, channels, normalise)


def bare_separable_extras(
    in_channels: Sequence[int], width_mult: float, plan: Sequence[tuple[int, int]], hidden: bool = False
) -> ExtraLayers:
    """Those of pytorch-ssd's mb1-ssd-lite and sq-ssd-lite. ``plan``: padding, and channels at width 1, of each."""
    layers, channels = _chained(in_channels, width_mult, plan, bare_separable_extra)
    return ExtraLayers(in_channels, layers, channels, hidden=hidden)


def mobile_extras(in_channels: Sequence[int], width_mult: float, channels: Sequence[int]) -> ExtraLayers:
    """Those of torchvision's ssdlite320 with MobileNetV3."""
    plan = [(2, wanted) for wanted in channels]
    layers, depths = _chained(in_channels, width_mult, plan, mobile_extra)
    return ExtraLayers(in_channels, layers, depths)


def _chained(
    in_channels: Sequence[int],
    width_mult: float,
    plan: Sequence[tuple[Kind, int]],
    make: Callable[[int, int, Kind], nn.Module],
) -> tuple[list[nn.Module], list[int]]:
    """A layer for each (kind, channels at width 1) of ``plan``, each on the one before; and their channels."""
    layers, channels = [], [in_channels[-1]]
    for kind, wanted in plan:
        depth = make_divisible(wanted, width_mult)
        layers.append(make(channels[-1], depth, kind))
        channels.append(depth)
    return layers, channels[1:]


def plain_extra(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """1×1 to half the channels, 3×3; both with bias and ReLU, no BN."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels // 2, 1),
        nn.ReLU(inplace=True),
        _conv3x3(channels // 2, channels, stride),
        nn.ReLU(inplace=True),
    )


def lite_extra(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """1×1 to all channels, depthwise 3×3, 1×1; BN after each, ReLU6 after the first two, ReLU at the end."""
    return nn.Sequential(
        *conv_bn_relu6(in_channels, channels, 1),
        _conv3x3(channels, channels, stride, groups=channels, bias=False),
        BatchNorm2d(channels),
        ReLU6(),
        nn.Conv2d(channels, channels, 1, bias=False),
        BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


def bare_separable_extra(in_channels: int, channels: int, padding: int) -> nn.Sequential:
    """1×1 to half the channels and ReLU; depthwise 3×3 of stride 2, ReLU, 1×1; all with bias, no BN."""
    half = channels // 2
    return nn.Sequential(
        nn.Conv2d(in_channels, half, 1),
        nn.ReLU(inplace=True),
        nn.Sequential(
            nn.Conv2d(half, half, 3, 2, padding, groups=half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, channels, 1),
        ),
    )


def mobile_extra(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """1×1 to half the channels, depthwise 3×3, 1×1; BN and ReLU6 behind each."""
    half = channels // 2
    return nn.Sequential(
        conv_bn_act(in_channels, half, act=ReLU6()),
        conv_bn_act(half, half, 3, stride, half, ReLU6()),
        conv_bn_act(half, channels, act=ReLU6()),
    )


def _conv3x3(in_channels: int, channels: int, stride: int, groups: int = 1, bias: bool = True) -> nn.Conv2d:
    if stride == 1:
        return UnpaddedConv2d(in_channels, channels, 3, groups=groups, bias=bias)
    return nn.Conv2d(in_channels, channels, 3, stride, padding=1, groups=groups, bias=bias)
