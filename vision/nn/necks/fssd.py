"""FSSD (Li & Zhou 2017): all maps at the size of the finest, fused, and a new pyramid from there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vision.nn.blocks import BatchNorm2d, ReLU6, UnpaddedConv2d, make_divisible, resized
from vision.nn.necks.extra_layers import lite_extra, plain_extra

PYRAMID_STRIDES = (0, 2, 2, 2, 1, 1)
"""Of each 3×3: 0 keeps the size, 2 halves it, 1 takes two cells off: 38, 19, 10, 5, 3, 1 at 300 px."""


class FusedPyramid(nn.Module):
    """``extra``: channels of one more map of half the last one's size, where the backbone ends at stride 16.

    ``pyramid``: channels of the six maps it gives. ``lite``: the extra layer is separable; ``depthwise``: the pyramid too.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        width_mult: float,
        pyramid: Sequence[int],
        extra: int | None = None,
        lite: bool = False,
        depthwise: bool = False,
    ) -> None:
        super().__init__()
        channels = list(in_channels)
        self.extra: nn.Module | None = None
        if extra is not None:
            channels.append(make_divisible(extra, width_mult))
            self.extra = (lite_extra if lite else plain_extra)(channels[-2], channels[-1], 2)
        fused = channels[-1] // 2
        self.transforms = nn.ModuleList(
            nn.Sequential(nn.Conv2d(given, fused, 1), nn.ReLU(inplace=True)) for given in channels
        )
        self.norm = BatchNorm2d(fused * len(channels))
        self.out_channels = tuple(make_divisible(wanted, width_mult) for wanted in pyramid)
        given = [fused * len(channels), *self.out_channels[:-1]]
        make = _separable_level if depthwise else _level
        self.levels = nn.ModuleList(map(make, given, self.out_channels, PYRAMID_STRIDES))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps, finest first → six maps, the first as fine as the first of ``maps``."""
        maps = list(maps)
        if self.extra is not None:
            maps.append(self.extra(maps[-1]))
        height, width = maps[0].shape[2:]
        fused = [
            resized(transform(each), height, width)
            for transform, each in zip(self.transforms, maps, strict=True)
        ]
        levels = [self.norm(torch.cat(fused, dim=1))]
        for level in self.levels:
            levels.append(level(levels[-1]))
        return levels[1:]


def _conv3x3(in_channels: int, channels: int, stride: int, **rest: int | bool) -> nn.Conv2d:
    if stride == 1:
        return UnpaddedConv2d(in_channels, channels, 3, **rest)  # type: ignore[arg-type]
    return nn.Conv2d(in_channels, channels, 3, stride or 1, padding=1, **rest)  # type: ignore[arg-type]


def _level(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_conv3x3(in_channels, channels, stride), nn.ReLU(inplace=True))


def _separable_level(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """Depthwise 3×3 BN ReLU6, 1×1 BN ReLU6."""
    return nn.Sequential(
        _conv3x3(in_channels, in_channels, stride, groups=in_channels, bias=False),
        BatchNorm2d(in_channels),
        ReLU6(),
        nn.Conv2d(in_channels, channels, 1, bias=False),
        BatchNorm2d(channels),
        ReLU6(),
    )
