"""The backbone of ObjectDetectionFromScratch, the net of a university course: small grey images, one map of stride 4."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from vision.nn.backbones.resnet import Residual
from vision.nn.backbones.tapped import TappedSequential
from vision.nn.blocks import conv_bn, make_divisible

CHANNELS = (16, 32, 64)
"""Of the first convolution and of the two residual blocks."""


class Classroom(TappedSequential):
    """5×5 of stride 2, a residual block, and one of stride 2: 128×64 px give 32×16 cells."""

    def __init__(
        self, sources: Sequence[str] = ("4",), width_mult: float = 1.0, in_channels: int = 1
    ) -> None:
        first, second, third = channels = [make_divisible(one, width_mult) for one in CHANNELS]
        layers = [
            nn.Sequential(*conv_bn(in_channels, first, 5, stride=2)),
            Residual(first, second, 1, bottleneck=False),
            Residual(second, third, 2, bottleneck=False),
        ]
        super().__init__(layers, {"4": 2}, channels, sources)
