"""SSD's extra layers: each halves the map before it, down to 1 × 1 (Liu et al. 2016, figure 2)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from vision.nn.blocks import (
    BatchNorm2d,
    InvertedResidual,
    L2Norm,
    UnpaddedConv2d,
    conv_bn_relu6,
    make_divisible,
)

STRIDES = {"halve": 2, "shrink": 1}
"""What an extra layer does to its map: half the cells, or two cells less a side (stride 1 without padding)."""


class ExtraLayers(nn.ModuleList):
    """The backbone's maps, and one more for each layer here."""

    def __init__(
        self, in_channels: Sequence[int], layers: Sequence[nn.Module], channels: Sequence[int]
    ) -> None:
        super().__init__(layers)
        self.out_channels = (*in_channels, *channels)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps, finest first → the same and ``len(self)`` coarser ones."""
        maps = list(maps)
        for layer in self:
            maps.append(layer(maps[-1]))
        return maps


class NormalisedFirst(nn.Module):
    """A neck whose finest map goes through ``L2Norm``: activations of early layers are larger than the others."""

    def __init__(self, layers: ExtraLayers) -> None:
        super().__init__()
        self.out_channels = layers.out_channels
        self.norm = L2Norm(self.out_channels[0])
        self.layers = layers

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """As ``ExtraLayers``."""
        first, *rest = self.layers(maps)
        return [self.norm(first), *rest]


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
    in_channels: Sequence[int], width_mult: float, plan: Sequence[tuple[str, int]], lite: bool = False
) -> NormalisedFirst:
    """The neck of ssds.pytorch's ``ssd``, or of its ``ssd_lite`` with separable extra layers.

    ``plan`` names of each extra layer what it does (``STRIDES``) and its channels at width 1.
    """
    layers, channels = [], [in_channels[-1]]
    for kind, wanted in plan:
        depth = make_divisible(wanted, width_mult)
        layers.append((lite_extra if lite else plain_extra)(channels[-1], depth, STRIDES[kind]))
        channels.append(depth)
    return NormalisedFirst(ExtraLayers(in_channels, layers, channels[1:]))


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
        nn.ReLU6(inplace=True),
        nn.Conv2d(channels, channels, 1, bias=False),
        BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


def _conv3x3(in_channels: int, channels: int, stride: int, groups: int = 1, bias: bool = True) -> nn.Conv2d:
    if stride == 1:
        return UnpaddedConv2d(in_channels, channels, 3, groups=groups, bias=bias)
    return nn.Conv2d(in_channels, channels, 3, stride, padding=1, groups=groups, bias=bias)
