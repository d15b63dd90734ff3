"""MobileNetV1 (Howard et al. 2017, table 1) as an SSD backbone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from vision.nn.backbones.tapped import TappedSequential
from vision.nn.blocks import conv_bn, make_divisible

STEM_CHANNELS = 32
# channels and stride of each depthwise-separable block
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
TAPS = {"8": 5, "16": 11, "32": 13}
"""Source → the block that gives it."""


class MobileNetV1(TappedSequential):
    """Numbered 0 (stem), 1..13 (depthwise 3×3 and 1×1, each with BN and ReLU), the names of pytorch-ssd's weights."""

    def __init__(
        self, sources: Sequence[str] = ("16", "32"), width_mult: float = 1.0, in_channels: int = 3
    ) -> None:
        outputs = [make_divisible(wanted, width_mult) for wanted in (STEM_CHANNELS, *(c for c, _ in BLOCKS))]
        layers = [nn.Sequential(*conv_bn(in_channels, outputs[0], 3, stride=2))]
        for channels, out_channels, (_, stride) in zip(outputs, outputs[1:], BLOCKS, strict=False):
            depthwise = conv_bn(channels, channels, 3, stride, groups=channels)
            layers.append(nn.Sequential(*depthwise, *conv_bn(channels, out_channels, 1)))
        super().__init__(layers, TAPS, outputs, sources)
