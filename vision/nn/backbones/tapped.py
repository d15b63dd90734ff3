"""A backbone is a sequence of layers; after some of them its map is given to the neck."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

from torch import Tensor, nn

EXPANSION = "expansion-16"
"""A map inside of a layer, behind its expansion: that of the first block of stride 32 is still of stride 16
(Sandler et al. 2018, section 6.2). Such a layer has ``forward_with_expansion`` and ``expanded_channels``."""


class TappedSequential(nn.Sequential):
    """Layers in order, without those behind the last source; gives the maps of ``sources``, finest first.

    ``layers`` are numbered, or named where it is a mapping. ``taps`` says after which of them (a number) each map
    is there, by its name, such as ``"16"`` for that of stride 16; ``channels`` how many each layer gives.
    ``out_channels`` are those of the sources.
    """

    first_layer: ClassVar[tuple[str, str | None]] = ("0.0", "0.1")
    """Names of the first convolution and its BatchNorm, None where it has none."""

    classifier_layers: ClassVar[tuple[str, ...]] = ()
    """What names begin with that ``is_torchvision`` and ``from_torchvision`` have to see of torchvision's classifier."""

    begins_anew: tuple[str, ...] = ()
    """What names of layers begin with that differ from those of published weights."""

    def __init__(
        self,
        layers: Sequence[nn.Module] | Mapping[str, nn.Module],
        taps: Mapping[str, int],
        channels: Sequence[int],
        sources: Sequence[str],
    ) -> None:
        numbers = [taps[name] for name in sources]
        assert sources and numbers == sorted(set(numbers)), f"sources {sources}: finest first, each once"
        named = layers if isinstance(layers, Mapping) else {str(i): layer for i, layer in enumerate(layers)}
        super().__init__(OrderedDict(islice(named.items(), numbers[-1] + 1)))
        self.taps = frozenset(numbers)
        self.expanded = taps[EXPANSION] if EXPANSION in sources else None
        self.out_channels = tuple(
            self._layer(number).expanded_channels if name == EXPANSION else channels[number]
            for name, number in zip(sources, numbers, strict=True)
        )

    def _layer(self, number: int) -> Any:
        return self[number]

    @staticmethod
    def is_torchvision(weights: Mapping[str, Tensor]) -> bool:
        """Whether these are torchvision's ImageNet weights, which expect another input range."""
        return False

    @staticmethod
    def from_torchvision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Names (and shapes) of torchvision's → those here."""
        return dict(weights)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, c, H, W) → a map for each source, (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉) where pooling rounds up."""
        x, maps = images, []
        for number, layer in enumerate(self):
            if number == self.expanded:
                expanded, x = self._layer(number).forward_with_expansion(x)
                maps.append(expanded)
                continue
            x = layer(x)
            if number in self.taps:
                maps.append(x)
        return maps
