"""SSD's extra layers: each halves the map before it, down to 1 × 1 (Liu et al. 2016, figure 2)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from vision.nn.blocks import InvertedResidual, make_divisible


class ExtraLayers(nn.ModuleList):
    """The backbone's maps, and one more for each layer here."""

    def __init__(
        self, in_channels: Sequence[int], layers: Sequence[nn.Module], channels: Sequence[int]
    ) -> None:
        super().__init__(layers)
        self.out_channels = (*in_channels, *channels)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps, finest first → the same and ``len(self)`` coarser ones."""
        maps = list(maps)
        for layer in self:
            maps.append(layer(maps[-1]))
        return maps


# output channels and expansion of each block of mb2-ssd-lite
INVERTED_RESIDUALS = ((512, 0.2), (256, 0.25), (256, 0.5), (64, 0.25))


def inverted_residual_extras(in_channels: Sequence[int], width_mult: float = 1.0) -> ExtraLayers:
    """Four inverted residuals of stride 2: with the 10 × 10 map of 300 px they give 5, 3, 2 and 1 cells."""
    channels = in_channels[-1]
    layers: list[InvertedResidual] = []
    for wanted, expand_ratio in INVERTED_RESIDUALS:
        layers.append(InvertedResidual(channels, make_divisible(wanted, width_mult), 2, expand_ratio))
        channels = layers[-1].out_channels
    return ExtraLayers(in_channels, layers, [layer.out_channels for layer in layers])
