"""MobileNetV2 (Sandler et al. 2018, table 2) as an SSD backbone."""

from __future__ import annotations

from torch import Tensor, nn

from vision.nn.blocks import InvertedResidual, conv_bn_relu6, scaled

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
TAPPED_BLOCK = 14
"""The first block of stride 32; its expansion is still of stride 16 and the finest source (section 6.2)."""


class MobileNetV2(nn.Sequential):
    """Numbered 0 (stem), 1..17 (inverted residuals), 18 (last 1×1), the names of published weights.

    The last 1×1 is scaled with the width too: at small widths its 1280 channels and the heads on them would
    cost more than the rest of the net.
    """

    def __init__(self, width_mult: float = 1.0) -> None:
        channels = scaled(STEM_CHANNELS, width_mult)
        layers: list[nn.Module] = [nn.Sequential(*conv_bn_relu6(3, channels, 3, stride=2))]
        for expand_ratio, stage_channels, repeats, first_stride in STAGES:
            out_channels = scaled(stage_channels, width_mult)
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                layers.append(InvertedResidual(channels, out_channels, stride, expand_ratio))
                channels = out_channels
        last = scaled(LAST_CHANNELS, width_mult)
        layers.append(nn.Sequential(*conv_bn_relu6(channels, last, 1)))
        super().__init__(*layers)
        self.out_channels = (self.tapped.expanded_channels, last)

    @property
    def tapped(self) -> InvertedResidual:
        block = self[TAPPED_BLOCK]
        assert isinstance(block, InvertedResidual)
        return block

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) → [(N, 576, ⌈H/16⌉, ⌈W/16⌉), (N, 1280, ⌈H/32⌉, ⌈W/32⌉)] at width 1."""
        x = images
        sources = []
        for number, layer in enumerate(self):
            if number == TAPPED_BLOCK:
                expanded, x = self.tapped.forward_with_expansion(x)
                sources.append(expanded)
            else:
                x = layer(x)
        return [*sources, x]
