"""Receptive field blocks (Liu et al. 2018): branches of growing dilation look at each cell's surroundings like an eye.

Layout, channels and dilations of ssds.pytorch; its "separable" convolutions are full ones by mistake, here they are
separable. Legend: i channels inside a branch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from vision.nn.blocks import BatchNorm2d, UnpaddedConv2d, make_divisible

Plan = Sequence[tuple[str, int]]
"""Of each extra layer its kind (``rfb`` and ``halve`` halve a map, ``shrink`` takes two cells off) and its channels."""


def conv_bn(
    in_channels: int,
    channels: int,
    kernel: tuple[int, int] = (1, 1),
    stride: int = 1,
    dilation: int = 1,
    relu: bool = True,
    groups: int = 1,
) -> nn.Sequential:
    """Convolution that keeps the size (but for its stride), BN with the published momentum, ReLU."""
    padding = tuple(dilation * (side // 2) for side in kernel)
    layers = [
        nn.Conv2d(in_channels, channels, kernel, stride, padding, dilation, groups, bias=False),  # type: ignore[arg-type]
        BatchNorm2d(channels, eps=1e-5, momentum=0.01),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))


def _spread(channels: int, dilation: int) -> nn.Sequential:
    """The last convolution of a branch: 3×3, dilated, no ReLU."""
    return conv_bn(channels, channels, (3, 3), dilation=dilation, relu=False)


def _spread_each(channels: int, dilation: int) -> nn.Sequential:
    """The same, each channel for itself."""
    return conv_bn(channels, channels, (3, 3), dilation=dilation, relu=False, groups=channels)


class ReceptiveFieldBlock(nn.Module):
    """Branches side by side, merged by a 1×1, added to the input or its projection, ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        branches: Sequence[nn.Sequential],
        merged: int,
        shortcut: nn.Module,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.merge = conv_bn(merged, out_channels, relu=False)
        self.shortcut = shortcut
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(N, c, h, w) → (N, out_channels, ⌈h / stride⌉, ⌈w / stride⌉)."""
        merged = self.merge(torch.cat([branch(x) for branch in self.branches], dim=1))
        return self.relu(merged + self.shortcut(x))


def rfb_a(channels: int, lite: bool) -> ReceptiveFieldBlock:
    """Of the finest map: four branches, dilations 1, 3, 3, 5."""
    i = max(4, channels // 4)
    half, three = i // 2, i // 4 * 3
    spread = _spread_each if lite else _spread
    branches = [
        nn.Sequential(conv_bn(channels, i), spread(i, 1)),
        nn.Sequential(conv_bn(channels, i), conv_bn(i, i, (3, 1)), spread(i, 3)),
        nn.Sequential(conv_bn(channels, i), conv_bn(i, i, (1, 3)), spread(i, 3)),
        nn.Sequential(
            conv_bn(channels, half), conv_bn(half, three, (1, 3)), conv_bn(three, i, (3, 1)), spread(i, 5)
        ),
    ]
    shortcut: nn.Module = nn.Identity() if lite else conv_bn(channels, channels, relu=False)
    return ReceptiveFieldBlock(channels, channels, branches, 4 * i, shortcut)


def rfb(in_channels: int, channels: int, stride: int = 1, lite: bool = False) -> ReceptiveFieldBlock:
    """Of the other maps, and as an extra layer of stride 2: two branches, dilations 3 and 5."""
    i = max(2, in_channels // 8)
    three = i // 2 * 3
    if lite:
        branches = [
            nn.Sequential(
                conv_bn(in_channels, i),
                conv_bn(i, three, (1, 3)),
                conv_bn(three, three, (3, 1), stride),
                _spread_each(three, 3),
            ),
            nn.Sequential(
                conv_bn(in_channels, i),
                conv_bn(i, three, (3, 3)),
                conv_bn(three, three, (3, 3), stride),
                _spread_each(three, 5),
            ),
        ]
        merged = 2 * three
    else:
        branches = [
            nn.Sequential(conv_bn(in_channels, i), conv_bn(i, 2 * i, (3, 3), stride), _spread(2 * i, 3)),
            nn.Sequential(
                conv_bn(in_channels, i),
                conv_bn(i, three, (3, 3)),
                conv_bn(three, 2 * i, (3, 3), stride),
                _spread(2 * i, 5),
            ),
        ]
        merged = 4 * i
    same = lite and in_channels == channels and stride == 1
    shortcut = nn.Identity() if same else conv_bn(in_channels, channels, stride=stride, relu=False)
    return ReceptiveFieldBlock(in_channels, channels, branches, merged, shortcut)


def _halve(in_channels: int, channels: int) -> nn.Sequential:
    return nn.Sequential(conv_bn(in_channels, channels // 2), conv_bn(channels // 2, channels, (3, 3), 2))


def _shrink(in_channels: int, channels: int) -> nn.Sequential:
    half = channels // 2
    unpadded = [UnpaddedConv2d(half, channels, 3, bias=False), BatchNorm2d(channels, eps=1e-5, momentum=0.01)]
    return nn.Sequential(conv_bn(in_channels, half), nn.Sequential(*unpadded, nn.ReLU(inplace=True)))


class RfbNeck(nn.Module):
    """Blocks on the backbone's maps, and extra layers behind the last of them.

    The finest map has its own block; the lite net leaves the others as they are, as published.
    """

    def __init__(self, in_channels: Sequence[int], width_mult: float, plan: Plan, lite: bool = False) -> None:
        super().__init__()
        first, *others = in_channels
        blocks = [nn.Identity() if lite else rfb(channels, channels) for channels in others]
        self.blocks = nn.ModuleList([rfb_a(first, lite), *blocks])
        layers: dict[str, Callable[[int, int], nn.Module]] = {
            "rfb": lambda given, wanted: rfb(given, wanted, 2, lite), "halve": _halve, "shrink": _shrink,
        }  # fmt: skip
        extras, channels = [], [in_channels[-1]]
        for kind, wanted in plan:
            depth = make_divisible(wanted, width_mult)
            extras.append(layers[kind](channels[-1], depth))
            channels.append(depth)
        self.layers = nn.ModuleList(extras)
        self.out_channels = (*in_channels, *channels[1:])

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps, finest first → the same with their surroundings, and coarser ones."""
        found = [block(features) for block, features in zip(self.blocks, maps, strict=True)]
        for layer in self.layers:
            found.append(layer(found[-1]))
        return found
