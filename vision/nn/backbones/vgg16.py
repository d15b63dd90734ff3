"""VGG16 (Simonyan & Zisserman 2015, configuration D) as an SSD backbone (Liu et al. 2016, section 3).

The fully connected layers are convolutions of fewer channels: fc6 looks 6 cells wide at every third one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from vision.nn.backbones.tapped import TappedSequential
from vision.nn.blocks import make_divisible

# channels, convolutions
STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
FC_CHANNELS = 1024
TAPS = {"8": 22, "16": 34}
"""relu4_3 and fc7."""
CLASSIFIER = {
    "classifier.0.weight": (4096, 512 * 7 * 7),
    "classifier.0.bias": (4096,),
    "classifier.3.weight": (4096, 4096),
    "classifier.3.bias": (4096,),
}
"""fc6 and fc7 as torchvision has them: each sees the whole map."""


class VGG16(TappedSequential):
    """Numbered 0 to 34 as in the published weights; no BatchNorm. 300 px give 38 and 19 cells: the third pooling rounds up."""

    first_layer: ClassVar[tuple[str, str | None]] = ("0", None)
    classifier_layers: ClassVar[tuple[str, ...]] = tuple(CLASSIFIER)

    def __init__(
        self, sources: Sequence[str] = ("8", "16"), width_mult: float = 1.0, in_channels: int = 3
    ) -> None:
        layers: list[nn.Module] = []
        outputs: list[int] = []
        channels = in_channels
        for stage, (wanted, convolutions) in enumerate(STAGES):
            if stage:
                layers.append(nn.MaxPool2d(2, ceil_mode=stage == 3))
            for _ in range(convolutions):
                out_channels = make_divisible(wanted, width_mult)
                layers += [nn.Conv2d(channels, out_channels, 3, padding=1), nn.ReLU(inplace=True)]
                channels = out_channels
            outputs += [channels] * (len(layers) - len(outputs))
        wide = make_divisible(FC_CHANNELS, width_mult)
        fc6, fc7 = nn.Conv2d(channels, wide, 3, padding=6, dilation=6), nn.Conv2d(wide, wide, 1)
        layers += [nn.MaxPool2d(3, stride=1, padding=1), fc6, nn.ReLU(inplace=True)]
        layers += [fc7, nn.ReLU(inplace=True)]
        super().__init__(layers, TAPS, [*outputs, channels, *([wide] * 4)], sources)

    @staticmethod
    def is_torchvision(weights: Mapping[str, Tensor]) -> bool:
        """Whether fc6 and fc7 are there as fully connected layers."""
        return all(name in weights and weights[name].shape == shape for name, shape in CLASSIFIER.items())

    @staticmethod
    def from_torchvision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """fc6 and fc7 become convolutions: of both every fourth channel, of fc6 every third row and column.

        (The subsampling of Chen et al. 2015, section 3.1, with the steps of Liu et al. 2016.)
        """
        fc6, fc6_bias, fc7, fc7_bias = (weights[name] for name in CLASSIFIER)
        convolutions = {
            "31.weight": fc6.unflatten(1, (-1, 7, 7))[::4, :, ::3, ::3],
            "31.bias": fc6_bias[::4],
            "33.weight": fc7[::4, ::4, None, None],
            "33.bias": fc7_bias[::4],
        }
        return {name: value for name, value in weights.items() if name not in CLASSIFIER} | convolutions
