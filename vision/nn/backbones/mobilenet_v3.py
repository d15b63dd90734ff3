"""MobileNetV3 (Howard et al. 2019, tables 1 and 2) as an SSD backbone, large and small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from vision.nn.backbones.tapped import EXPANSION, TappedSequential
from vision.nn.blocks import BatchNorm2d, make_divisible

STEM_CHANNELS = 16
EPS, MOMENTUM = 1e-3, 0.03
"""Of every BN: torchvision's ssdlite320 (its classifiers have a momentum of 0.01)."""
REDUCED = "reduced-32"
"""The last 1×1 where the layers from stride 32 on have half the channels (section 6.3): detectors need no more."""


class Row(NamedTuple):
    """One line of the tables: kernel k, expansion, output, squeeze-and-excite, hard-swish (else ReLU), stride."""

    kernel: int
    expanded: int
    channels: int
    squeeze: bool
    hard_swish: bool
    stride: int


LARGE = (
    Row(3, 16, 16, False, False, 1),
    Row(3, 64, 24, False, False, 2),
    Row(3, 72, 24, False, False, 1),
    Row(5, 72, 40, True, False, 2),
    Row(5, 120, 40, True, False, 1),
    Row(5, 120, 40, True, False, 1),
    Row(3, 240, 80, False, True, 2),
    Row(3, 200, 80, False, True, 1),
    Row(3, 184, 80, False, True, 1),
    Row(3, 184, 80, False, True, 1),
    Row(3, 480, 112, True, True, 1),
    Row(3, 672, 112, True, True, 1),
    Row(5, 672, 160, True, True, 2),
    Row(5, 960, 160, True, True, 1),
    Row(5, 960, 160, True, True, 1),
)
SMALL = (
    Row(3, 16, 16, True, False, 2),
    Row(3, 72, 24, False, False, 2),
    Row(3, 88, 24, False, False, 1),
    Row(5, 96, 40, True, True, 2),
    Row(5, 240, 40, True, True, 1),
    Row(5, 240, 40, True, True, 1),
    Row(5, 120, 48, True, True, 1),
    Row(5, 144, 48, True, True, 1),
    Row(5, 288, 96, True, True, 2),
    Row(5, 576, 96, True, True, 1),
    Row(5, 576, 96, True, True, 1),
)


def conv_bn_act(
    in_channels: int, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: nn.Module | None = None
) -> nn.Sequential:  # fmt: skip
    """Convolution, BN with the numbers of this family, and what activation is told."""
    conv = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, groups=groups, bias=False)
    layers: list[nn.Module] = [conv, BatchNorm2d(channels, eps=EPS, momentum=MOMENTUM)]
    return nn.Sequential(*layers, *([act] if act else []))


class SqueezeExcite(nn.Module):
    """A factor in 0..1 for each channel, from the means of all of them (section 5.3: a quarter of them inside)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = make_divisible(channels // 4)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = nn.ReLU(inplace=True)
        self.scale_activation = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(N, c, h, w) → the same shape."""
        factors = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        return x * self.scale_activation(factors)


class Bottleneck(nn.Module):
    """Expand, filter each channel, excite, project; adds its input where the shape is kept. torchvision's names."""

    def __init__(self, in_channels: int, expanded: int, out_channels: int, row: Row) -> None:
        super().__init__()
        act = nn.Hardswish if row.hard_swish else nn.ReLU
        layers: list[nn.Module] = []
        if expanded != in_channels:
            layers.append(conv_bn_act(in_channels, expanded, act=act(inplace=True)))
        self.expansions = len(layers)
        layers.append(conv_bn_act(expanded, expanded, row.kernel, row.stride, expanded, act(inplace=True)))
        layers += [SqueezeExcite(expanded)] * row.squeeze
        layers.append(conv_bn_act(expanded, out_channels))
        self.block = nn.Sequential(*layers)
        self.expanded_channels = expanded
        self.adds_input = row.stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, h, w) → (N, c_out, ⌈h / stride⌉, ⌈w / stride⌉)."""
        return self.forward_with_expansion(x)[1]

    def forward_with_expansion(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The expanded map before the depthwise filter (an SSD source), and the block's output."""
        expanded = self.block[0](x) if self.expansions else x
        out = expanded
        for layer in self.block[self.expansions :]:
            out = layer(out)
        return expanded, x + out if self.adds_input else out


class MobileNetV3(TappedSequential):
    """Numbered 0 (stem), the blocks, the last 1×1, as torchvision's ``features``.

    ``sources``: ``"8"``, ``"16"`` and ``"32"`` are the outputs of the last blocks of these strides; ``"expansion-16"`` is the
    expansion of the first block of stride 32 and ``"last-32"`` the last 1×1. With ``"reduced-32"`` in the place of that
    the layers of stride 32 have half the channels, as in torchvision's ssdlite320.
    """

    classifier_layers: ClassVar[tuple[str, ...]] = ("classifier.0.",)

    def __init__(
        self,
        rows: Sequence[Row],
        sources: Sequence[str] = (EXPANSION, REDUCED),
        width_mult: float = 1.0,
        in_channels: int = 3,
    ) -> None:
        first_32 = max(number for number, row in enumerate(rows, 1) if row.stride == 2)
        reduced = REDUCED in sources
        channels = make_divisible(STEM_CHANNELS, width_mult)
        layers: list[nn.Module] = [conv_bn_act(in_channels, channels, 3, 2, act=nn.Hardswish(inplace=True))]
        outputs = [channels]
        for number, row in enumerate(rows, 1):
            halved = 1 + (reduced and number >= first_32), 1 + (reduced and number > first_32)
            out_channels = make_divisible(row.channels // halved[0], width_mult)
            expanded = make_divisible(row.expanded // halved[1], width_mult)
            layers.append(Bottleneck(channels, expanded, out_channels, row))
            channels = out_channels
            outputs.append(channels)
        layers.append(conv_bn_act(channels, 6 * channels, act=nn.Hardswish(inplace=True)))
        outputs.append(6 * channels)
        super().__init__(layers, _taps(rows, first_32), outputs, sources)
        self.begins_anew = tuple(f"{number}." for number in range(first_32, len(layers)) if reduced)

    @staticmethod
    def is_torchvision(weights: Mapping[str, Tensor]) -> bool:
        """Whether its classifier is there: all other names are the same here."""
        return "classifier.0.weight" in weights

    @staticmethod
    def from_torchvision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All but the classifier."""
        return {name: value for name, value in weights.items() if not name.startswith("classifier.")}


def _taps(rows: Sequence[Row], first_32: int) -> dict[str, int]:
    """Source → the layer that gives it."""
    first_16 = max(number for number, row in enumerate(rows[: first_32 - 1], 1) if row.stride == 2)
    last = len(rows) + 1
    return {
        "8": first_16 - 1, "16": first_32 - 1, EXPANSION: first_32, "32": last - 1, "last-32": last, REDUCED: last,
    }  # fmt: skip
