"""The necks of YOLOv2 and YOLOv3 (Redmon & Farhadi 2017, 2018) as ssds.pytorch has them; the heads behind are SSD's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vision.nn.blocks import BatchNorm2d, make_divisible, resized


def conv_leaky(in_channels: int, channels: int, kernel_size: int) -> nn.Sequential:
    """Convolution of stride 1, BN, LeakyReLU of slope 0.1."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, kernel_size, padding=kernel_size // 2, bias=False),
        BatchNorm2d(channels),
        nn.LeakyReLU(0.1, inplace=True),
    )


class PassThrough(nn.Module):
    """YOLOv2's: the map of stride 16, narrowed and folded 2 × 2 cells into channels, beside that of stride 32."""

    def __init__(self, in_channels: Sequence[int], width_mult: float) -> None:
        super().__init__()
        finer, coarser = in_channels
        wide, narrow = make_divisible(1024, width_mult), make_divisible(64, width_mult)
        self.deepen = nn.Sequential(conv_leaky(coarser, wide, 3), conv_leaky(wide, wide, 3))
        self.router = conv_leaky(finer, narrow, 1)
        self.merge = conv_leaky(wide + 4 * narrow, wide, 3)
        self.out_channels = (wide,)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps of stride 16 and 32 → one map of stride 32."""
        finer, coarser = maps
        return [self.merge(torch.cat([self.deepen(coarser), _folded(self.router(finer), coarser)], dim=1))]


def _folded(finer: Tensor, coarser: Tensor) -> Tensor:
    """(N, c, h', w') → (N, 4c, h, w) of the map ``coarser``: odd sides have their last row or column twice, or lose it
    where the backbone rounds down."""
    height, width = (2 * int(side) for side in coarser.shape[2:])
    if int(finer.shape[2]) < height:
        finer = torch.cat([finer, finer[:, :, -1:]], dim=2)
    if int(finer.shape[3]) < width:
        finer = torch.cat([finer, finer[:, :, :, -1:]], dim=3)
    return F.pixel_unshuffle(finer[:, :, :height, :width], 2)


class TopDown(nn.Module):
    """YOLOv3's: from the coarsest map down, each step narrowed, enlarged and put beside the next finer map."""

    def __init__(self, in_channels: Sequence[int], width_mult: float) -> None:
        super().__init__()
        routers, blocks, given, depths = [], [], 0, []
        for number, source in enumerate(reversed(in_channels)):
            depth = make_divisible(1024 >> number, width_mult)
            if number:
                routers.append(conv_leaky(given, depth // 2, 1))
                source += depth // 2
            blocks.append(_three_blocks(source, depth))
            given = depth
            depths.append(depth)
        self.routers, self.blocks = nn.ModuleList(routers), nn.ModuleList(blocks)
        self.out_channels = tuple(reversed(depths))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps, finest first → as many of the same sizes."""
        coarsest, *finer = reversed(maps)
        found = [self.blocks[0](coarsest)]
        for block, router, each in zip(self.blocks[1:], self.routers, finer, strict=True):
            enlarged = resized(router(found[-1]), *each.shape[2:])
            found.append(block(torch.cat([enlarged, each], dim=1)))
        return found[::-1]


def _three_blocks(in_channels: int, channels: int) -> nn.Sequential:
    """Three times 1×1 to half the channels, 3×3."""
    layers = []
    for given in (in_channels, channels, channels):
        layers += [conv_leaky(given, channels // 2, 1), conv_leaky(channels // 2, channels, 3)]
    return nn.Sequential(*layers)
