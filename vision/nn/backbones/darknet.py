"""DarkNet19 (Redmon & Farhadi 2017, table 6) and DarkNet53 (2018, table 1) as backbones."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from vision.nn.backbones.tapped import TappedSequential
from vision.nn.blocks import conv_bn, make_divisible

STEM_CHANNELS = 32
PAIRS_19 = (0, 0, 1, 1, 2, 2)
"""DarkNet19: how many pairs of 1×1 and 3×3 follow the 3×3 of 32, 64, 128 … channels; pooling is in between."""
RESIDUALS_53 = (1, 2, 8, 8, 4)
"""DarkNet53: how many residual pairs follow each 3×3 of stride 2."""
TAPS_19 = {"8": 8, "16": 12, "32": 16}
TAPS_53 = {"8": 14, "16": 23, "32": 28}


def conv_bn_leaky(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    """What the DarkNets and YOLO's layers are made of: convolution, BN, LeakyReLU of slope 0.1."""
    return nn.Sequential(
        *conv_bn(in_channels, out_channels, kernel_size, stride, activation=nn.LeakyReLU(0.1, inplace=True))
    )


def pair(channels: int) -> nn.Sequential:
    """1×1 to half of the channels, 3×3 back to them."""
    half = channels // 2
    return nn.Sequential(conv_bn_leaky(channels, half, 1), conv_bn_leaky(half, channels, 3))


class Residual(nn.Module):
    """A pair, and what comes in added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pair = pair(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c, h, w) → the same shape."""
        return x + self.pair(x)


class DarkNet19(TappedSequential):
    """Numbered 0 to 16 as in ssds.pytorch, a pair as one. Pooling rounds down: 300 px give 37, 18 and 9 cells."""

    def __init__(
        self, sources: Sequence[str] = ("16", "32"), width_mult: float = 1.0, in_channels: int = 3
    ) -> None:
        layers: list[nn.Module] = []
        outputs: list[int] = []
        channels = in_channels
        for stage, pairs in enumerate(PAIRS_19):
            if stage:
                layers.append(nn.MaxPool2d(2))
                outputs.append(channels)
            out_channels = make_divisible(STEM_CHANNELS << stage, width_mult)
            layers += [conv_bn_leaky(channels, out_channels, 3), *(pair(out_channels) for _ in range(pairs))]
            outputs += [out_channels] * (1 + pairs)
            channels = out_channels
        super().__init__(layers, TAPS_19, outputs, sources)


class DarkNet53(TappedSequential):
    """Numbered 0 to 28, a residual as one. 300 px give 38, 19 and 10 cells."""

    def __init__(
        self, sources: Sequence[str] = ("16", "32"), width_mult: float = 1.0, in_channels: int = 3
    ) -> None:
        channels = make_divisible(STEM_CHANNELS, width_mult)
        layers: list[nn.Module] = [conv_bn_leaky(in_channels, channels, 3)]
        outputs = [channels]
        for stage, residuals in enumerate(RESIDUALS_53, 1):
            out_channels = make_divisible(STEM_CHANNELS << stage, width_mult)
            layers += [conv_bn_leaky(channels, out_channels, 3, stride=2)]
            layers += [Residual(out_channels) for _ in range(residuals)]
            outputs += [out_channels] * (1 + residuals)
            channels = out_channels
        super().__init__(layers, TAPS_53, outputs, sources)
