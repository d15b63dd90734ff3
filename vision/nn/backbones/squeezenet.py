"""SqueezeNet 1.1 (Iandola et al. 2016, and its authors' smaller release) as an SSD backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vision.nn.backbones.tapped import TappedSequential
from vision.nn.blocks import make_divisible

STEM_CHANNELS = 64
# channels of the squeeze and of each expansion; between the lists the map is pooled
FIRES = (((16, 64), (16, 64)), ((32, 128), (32, 128)), ((48, 192), (48, 192), (64, 256), (64, 256)))
TAPS = {"8": 7, "16": 11, "last-16": 12}
"""Source → the layer that gives it: pytorch-ssd's heads look at layer 11, and its extra layers begin behind 12."""


class Fire(nn.Module):
    """1×1 to few channels, from them 1×1 and 3×3 side by side; ReLU behind each, no BN."""

    def __init__(self, in_channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c, h, w) → (N, 2 · expanded, h, w)."""
        few = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(few), self.expand3x3(few)], dim=1).relu()


class SqueezeNet(TappedSequential):
    """Numbered 0 to 12 as torchvision's ``features``. Nothing is padded, and pooling rounds down: 300 px give 17 cells.

    (As in pytorch-ssd, whose priors count on 17; torchvision's classifier rounds up. The weights are the same.)
    """

    first_layer: ClassVar[tuple[str, str | None]] = ("0", None)
    classifier_layers: ClassVar[tuple[str, ...]] = ("classifier.1.",)

    def __init__(
        self, sources: Sequence[str] = ("16", "last-16"), width_mult: float = 1.0, in_channels: int = 3
    ) -> None:
        channels = make_divisible(STEM_CHANNELS, width_mult)
        layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, 3, stride=2), nn.ReLU(inplace=True)]
        outputs = [channels] * 2
        for fires in FIRES:
            layers.append(nn.MaxPool2d(3, stride=2))
            outputs.append(channels)
            for squeezed, expanded in fires:
                out_channels = make_divisible(expanded, width_mult)
                layers.append(Fire(channels, make_divisible(squeezed, width_mult), out_channels))
                channels = 2 * out_channels
                outputs.append(channels)
        super().__init__(layers, TAPS, outputs, sources)

    @staticmethod
    def is_torchvision(weights: Mapping[str, Tensor]) -> bool:
        """Whether its classifier is there: all other names are the same here."""
        return "classifier.1.weight" in weights

    @staticmethod
    def from_torchvision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All but the classifier."""
        return {name: value for name, value in weights.items() if not name.startswith("classifier.")}
