"""Pyramids: what the coarse maps know is given to the finer ones; all maps get the same number of channels.

In a light form, for mobile nets: every 3×3 is separable. Legend: N images, c channels, h × w cells.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vision.nn.blocks import BatchNorm2d, conv_bn_relu6, make_divisible

LEAST_WEIGHT = 1e-6
"""Added to what weights of a sum are divided by (ssds.pytorch's; Tan et al. 2020, section 3.3, say 1e-4)."""


def separable(channels: int, stride: int = 1) -> nn.Sequential:
    """Depthwise 3×3, 1×1, BN, ReLU6."""
    filters = nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False)
    return nn.Sequential(filters, *conv_bn_relu6(channels, channels, 1))


def lateral(in_channels: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, channels, 1, bias=False), BatchNorm2d(channels))


def enlarged(coarse: Tensor, fine: Tensor) -> Tensor:
    """``coarse`` (N, c, h, w) doubled and cut to the cells of ``fine``, of which a stride of 2 makes h × w: cell i takes i // 2."""
    doubled = F.interpolate(coarse, scale_factor=2.0, mode="nearest")
    height, width = (int(side) for side in fine.shape[2:])  # numbers: constants of an exported graph
    assert doubled.shape[2] >= height and doubled.shape[3] >= width, "maps of neighbouring strides"
    return doubled if tuple(doubled.shape[2:]) == (height, width) else doubled[:, :, :height, :width]


class Fpn(nn.Module):
    """Feature pyramid (Lin et al. 2017, section 3): 1×1 on every map, from the top down each enlarged and added to the next.

    Then a 3×3 on every map, and ``extra`` coarser maps of stride 2 behind the last.
    """

    def __init__(
        self, in_channels: Sequence[int], width_mult: float = 1.0, channels: int = 128, extra: int = 2
    ) -> None:
        super().__init__()
        channels = make_divisible(channels, width_mult)
        self.laterals = nn.ModuleList(lateral(own, channels) for own in in_channels)
        self.outputs = nn.ModuleList(separable(channels) for _ in in_channels)
        self.coarser = nn.ModuleList(separable(channels, stride=2) for _ in range(extra))
        self.out_channels = (channels,) * (len(in_channels) + extra)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps, finest first → as many and ``extra`` coarser ones, (N, channels, h, w) each."""
        merged = [layer(features) for layer, features in zip(self.laterals, maps, strict=True)]
        for fine in reversed(range(len(merged) - 1)):
            merged[fine] = merged[fine] + enlarged(merged[fine + 1], merged[fine])
        out = [layer(features) for layer, features in zip(self.outputs, merged, strict=True)]
        for layer in self.coarser:
            out.append(layer(out[-1]))
        return out


class WeightedSum(nn.Module):
    """Maps of one size added by weights that are learned and divided by their sum (Tan et al. 2020, section 3.3)."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.full((maps,), 0.5))

    def forward(self, *maps: Tensor) -> Tensor:
        weights = self.weights.relu()
        weights = weights / (weights.sum() + LEAST_WEIGHT)
        # of an exported graph they are constants
        each = weights.tolist() if torch.onnx.is_in_onnx_export() else weights.unbind()
        first, *others = (weight * features for weight, features in zip(each, maps, strict=True))
        return sum(others, first)


class _Stack(nn.Module):
    """Once from the top down and once back: each map from its own and its neighbours'."""

    def __init__(self, maps: int, channels: int) -> None:
        super().__init__()
        inputs = [2] * (maps - 1), [3] * (maps - 2) + [2]
        self.down_sums, self.up_sums = (nn.ModuleList(map(WeightedSum, counts)) for counts in inputs)
        self.down, self.up = (nn.ModuleList(separable(channels) for _ in counts) for counts in inputs)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps, finest first → the same number of the same sizes."""
        middle = list(maps)
        for fine in reversed(range(len(maps) - 1)):
            both = self.down_sums[fine](maps[fine], enlarged(middle[fine + 1], maps[fine]))
            middle[fine] = self.down[fine](both)
        out = middle[:1]
        for coarse in range(1, len(maps)):
            own = [maps[coarse]] if coarse == len(maps) - 1 else [maps[coarse], middle[coarse]]
            out.append(self.up[coarse - 1](self.up_sums[coarse - 1](*own, halved(out[-1]))))
        return out


def halved(x: Tensor) -> Tensor:
    """(N, c, h, w) → (N, c, ⌈h / 2⌉, ⌈w / 2⌉), the largest of 3×3."""
    return F.max_pool2d(x, 3, stride=2, padding=1)


class BiFpn(nn.Module):
    """``stacks`` times from the top down and back (Tan et al. 2020, section 3.2); ``extra`` coarser maps come before."""

    def __init__(
        self,
        in_channels: Sequence[int],
        width_mult: float = 1.0,
        channels: int = 64,
        extra: int = 2,
        stacks: int = 3,
    ) -> None:
        super().__init__()
        channels = make_divisible(channels, width_mult)
        maps = len(in_channels) + extra
        self.laterals = nn.ModuleList(lateral(own, channels) for own in in_channels)
        self.stacks = nn.Sequential(*(_Stack(maps, channels) for _ in range(stacks)))
        self.extra = extra
        self.out_channels = (channels,) * maps

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps, finest first → as many and ``extra`` coarser ones, (N, channels, h, w) each."""
        own = [layer(features) for layer, features in zip(self.laterals, maps, strict=True)]
        coarser = itertools.accumulate(range(self.extra), lambda x, _: halved(x), initial=own[-1])
        out: list[Tensor] = self.stacks([*own[:-1], *coarser])
        return out
