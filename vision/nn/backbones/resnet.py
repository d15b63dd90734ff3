"""ResNet (He et al. 2016, table 1) as an SSD backbone: 18, 34, 50 and 101 layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from vision.nn.backbones.tapped import TappedSequential
from vision.nn.blocks import BatchNorm2d, make_divisible

STEM_CHANNELS = 64
STAGE_CHANNELS = (64, 128, 256, 512)
"""Inside the blocks of layer1 to layer4."""
WIDENING = 4
"""A bottleneck block gives so many times the channels that it has inside."""
LAYERS = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
TAPS = {"8": LAYERS.index("layer2"), "16": LAYERS.index("layer3"), "32": LAYERS.index("layer4")}


class Residual(nn.Module):
    """Two 3×3 convolutions, or as a bottleneck 1×1, 3×3, 1×1, and what comes in added; BN behind each.

    Of a bottleneck it is the 3×3 that has the stride, as in the weights that are published (torchvision's; in the paper
    the first 1×1 has it). The names are theirs too.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        kernels = (1, 3, 1) if bottleneck else (3, 3)
        self.convolutions = len(kernels)
        self.out_channels = channels * WIDENING if bottleneck else channels
        widths = (in_channels, *[channels] * (len(kernels) - 1), self.out_channels)
        for number, kernel in enumerate(kernels, 1):
            step = stride if number == len(kernels) - 1 else 1
            sizes = widths[number - 1], widths[number], kernel, step, kernel // 2
            self.add_module(f"conv{number}", nn.Conv2d(*sizes, bias=False))
            self.add_module(f"bn{number}", BatchNorm2d(widths[number]))
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != self.out_channels:
            shortcut = nn.Conv2d(in_channels, self.out_channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, BatchNorm2d(self.out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, h, w) → (N, c_out, ⌈h / stride⌉, ⌈w / stride⌉)."""
        out = x
        for number in range(1, self.convolutions + 1):
            out = self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(out))
            if number < self.convolutions:
                out = self.relu(out)
        return self.relu(out + self.downsample(x))


class ResNet(TappedSequential):
    """``conv1``, ``bn1``, ``layer1`` … as torchvision names them. 300 px give 38, 19 and 10 cells."""

    first_layer: ClassVar[tuple[str, str | None]] = ("conv1", "bn1")
    classifier_layers: ClassVar[tuple[str, ...]] = ("fc.",)

    def __init__(
        self,
        blocks: Sequence[int],
        bottleneck: bool,
        sources: Sequence[str] = ("8", "16"),
        width_mult: float = 1.0,
        in_channels: int = 3,
    ) -> None:
        channels = make_divisible(STEM_CHANNELS, width_mult)
        stem = nn.Conv2d(in_channels, channels, 7, 2, padding=3, bias=False)
        layers = [stem, BatchNorm2d(channels), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1)]
        outputs = [channels] * len(layers)
        for stage, (wanted, repeats) in enumerate(zip(STAGE_CHANNELS, blocks, strict=True)):
            row = []
            for repeat in range(repeats):
                stride = 2 if stage and not repeat else 1
                row.append(Residual(channels, make_divisible(wanted, width_mult), stride, bottleneck))
                channels = row[-1].out_channels
            layers.append(nn.Sequential(*row))
            outputs.append(channels)
        super().__init__(dict(zip(LAYERS, layers, strict=True)), TAPS, outputs, sources)

    @staticmethod
    def is_torchvision(weights: Mapping[str, Tensor]) -> bool:
        """Whether its classifier is there: all other names are the same here."""
        return "fc.weight" in weights

    @staticmethod
    def from_torchvision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All but the classifier."""
        return {name: value for name, value in weights.items() if not name.startswith("fc.")}
