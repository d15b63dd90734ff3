"""A backbone is a sequence of layers; after some of them its map is given to the neck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn


class TappedSequential(nn.Sequential):
    """Layers in order, without those behind the last source; gives the maps of ``sources``, finest first.

    ``taps`` says after which layer each map is there, by its name, such as ``"16"`` for that of stride 16;
    ``channels`` how many it has. ``out_channels`` are those of the sources.
    """

    def __init__(
        self,
        layers: Sequence[nn.Module],
        taps: Mapping[str, int],
        channels: Mapping[str, int],
        sources: Sequence[str],
    ) -> None:
        self_taps = [taps[name] for name in sources]
        assert sources and self_taps == sorted(set(self_taps)), f"sources {sources}: finest first, each once"
        super().__init__(*layers[: self_taps[-1] + 1])
        self.taps = frozenset(self_taps)
        self.out_channels = tuple(channels[name] for name in sources)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, c, H, W) → a map for each source, (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉) where pooling rounds up."""
        x, maps = images, []
        for number, layer in enumerate(self):
            x = layer(x)
            if number in self.taps:
                maps.append(x)
        return maps
