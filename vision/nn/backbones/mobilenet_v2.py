"""MobileNetV2 (Sandler et al. 2018, table 2) as an SSD backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from vision.nn.backbones.tapped import EXPANSION, TappedSequential
from vision.nn.blocks import InvertedResidual, conv_bn_relu6, make_divisible

# expansion t, channels c, repeats n, stride s: table 2 of the paper
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM_CHANNELS = 32
LAST_CHANNELS = 1280
TAPS = {"8": 6, "16": 13, EXPANSION: 14, "32": 17, "last-32": 18}
"""Source → the block that gives it."""


class MobileNetV2(TappedSequential):
    """Numbered 0 (stem), 1..17 (inverted residuals), 18 (last 1×1), the names of published weights.

    ``sources``: ``"8"``, ``"16"``, ``"32"`` are the outputs of blocks 6, 13 and 17 (ssds.pytorch); ``"expansion-16"`` is the
    expansion of block 14 and ``"last-32"`` the last 1×1 (section 6.2; pytorch-ssd). Layers behind the last source are
    left out. The last 1×1 is scaled with the width too: at small widths its 1280 channels and the heads on them
    would cost more than the rest of the net.
    """

    def __init__(
        self,
        sources: Sequence[str] = ("expansion-16", "last-32"),
        width_mult: float = 1.0,
        in_channels: int = 3,
    ) -> None:
        channels = make_divisible(STEM_CHANNELS, width_mult)
        layers: list[nn.Module] = [nn.Sequential(*conv_bn_relu6(in_channels, channels, 3, stride=2))]
        outputs = [channels]
        for expand_ratio, stage_channels, repeats, first_stride in STAGES:
            out_channels = make_divisible(stage_channels, width_mult)
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                layers.append(InvertedResidual(channels, out_channels, stride, expand_ratio))
                channels = out_channels
                outputs.append(channels)
        last = make_divisible(LAST_CHANNELS, width_mult)
        layers.append(nn.Sequential(*conv_bn_relu6(channels, last, 1)))
        outputs.append(last)
        super().__init__(layers, TAPS, outputs, sources)

    @staticmethod
    def is_torchvision(weights: Mapping[str, Tensor]) -> bool:
        """Whether the blocks are nested as torchvision nests them, not flat as here."""
        return "1.conv.0.0.weight" in weights

    @staticmethod
    def from_torchvision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Names of torchvision's ``features`` → names here.

        ``i.conv.j.k`` of a convolution block (convolution k = 0, BatchNorm k = 1) becomes ``i.conv.(3 j + k)``;
        a layer of its own, ``i.conv.j``, comes after those blocks.
        """
        flat = {}
        for name, value in weights.items():
            parts = name.split(".")
            if "conv" in parts and len(parts) == 5:
                number = 3 * int(parts[2]) + int(parts[3])
                name = f"{parts[0]}.conv.{number}.{parts[4]}"
            elif "conv" in parts and len(parts) == 4:
                blocks = 1 if f"{parts[0]}.conv.1.0.weight" not in weights else 2
                name = f"{parts[0]}.conv.{int(parts[2]) + 2 * blocks}.{parts[3]}"
            flat[name] = value
        return flat
