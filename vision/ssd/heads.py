"""Heads: what is said of every cell of a map.

Legend: N images, h × w cells, A shapes a cell, c values for each (C classes, C − 1 without background, or 4 offsets).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from vision.nn.backbones.mobilenet_v3 import conv_bn_act
from vision.nn.blocks import BatchNorm2d, ReLU6, conv_bn


class Headers(nn.ModuleList):
    """One header a map, each a convolution or a sequence that ends in one."""

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps (N, c, h, w), finest first → (N, A·c, h, w) of each."""
        return [header(features) for header, features in zip(self, maps, strict=True)]

    @property
    def last_layers(self) -> dict[str, nn.Conv2d]:
        """The convolutions that give the values, by their names below this module."""
        found = {}
        for number, header in enumerate(self):
            name, layer = [(n, m) for n, m in header.named_modules() if isinstance(m, nn.Conv2d)][-1]
            found[".".join(filter(None, (str(number), name)))] = layer
        return found


class SharedHeaders(nn.Module):
    """One header that looks at all maps, where they have the same channels; batch statistics are each map's own.

    ``depth`` times depthwise 3×3, 1×1, BN, ReLU6, then depthwise 3×3 and 1×1 with bias. Maps of different strides differ in
    their statistics, which one BatchNorm would mix up, and evaluation would see with another mixture than training.
    """

    def __init__(self, channels: int, maps: int, outputs: int, depth: int) -> None:
        super().__init__()

        def separable(outputs: int, bias: bool) -> nn.Sequential:
            filters = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
            return nn.Sequential(filters, nn.Conv2d(channels, outputs, 1, bias=bias))

        self.layers = nn.ModuleList(separable(channels, bias=False) for _ in range(depth))
        self.norms = nn.ModuleList(
            nn.ModuleList(BatchNorm2d(channels) for _ in range(depth)) for _ in range(maps)
        )
        self.last = separable(outputs, bias=True)
        self.clip = ReLU6()

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps (N, c, h, w), finest first → (N, A·c, h, w) of each."""
        return [self._of_map(x, norms) for x, norms in zip(maps, self.norms, strict=True)]

    def _of_map(self, x: Tensor, norms: nn.Module) -> Tensor:
        for layer, norm in zip(self.layers, norms.children(), strict=True):
            x = self.clip(norm(layer(x)))
        out: Tensor = self.last(x)
        return out

    @property
    def last_layers(self) -> dict[str, nn.Conv2d]:
        """As that of ``Headers``."""
        last = self.last[-1]
        assert isinstance(last, nn.Conv2d)
        return {"last.1": last}


class NoOffsets(nn.Module):
    """In the place of the regression headers where boxes are the priors as they are: offsets 0, no parameters."""

    def __init__(self, shapes_per_cell: Sequence[int]) -> None:
        super().__init__()
        self.shapes_per_cell = tuple(shapes_per_cell)
        self.last_layers: dict[str, nn.Conv2d] = {}

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps (N, c, h, w) → zeros (N, 4·A, h, w) of each."""
        return [
            features.new_zeros(features.shape[0], 4 * shapes, *features.shape[2:])
            for features, shapes in zip(maps, self.shapes_per_cell, strict=True)
        ]


def separable_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """SSDLite's head (Sandler et al. 2018, section 6.2): depthwise 3×3 with bias, BN, ReLU6, 1×1."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels),
        BatchNorm2d(in_channels),
        ReLU6(),
        nn.Conv2d(in_channels, out_channels, 1),
    )


def ssd_lite_headers(in_channels: Sequence[int], shapes_per_cell: Sequence[int], values: int) -> Headers:
    """One header a map: separable on all but the last, a plain 1×1 on the last, which has one cell."""
    *finer, last = [
        (channels, shapes * values) for channels, shapes in zip(in_channels, shapes_per_cell, strict=True)
    ]
    return Headers([*(separable_conv(*sizes) for sizes in finer), nn.Conv2d(*last, kernel_size=1)])


def full_headers(in_channels: Sequence[int], shapes_per_cell: Sequence[int], values: int) -> Headers:
    """One 3×3 convolution with bias a map (Liu et al. 2016, section 2.1)."""
    return Headers(
        nn.Conv2d(channels, shapes * values, 3, padding=1)
        for channels, shapes in zip(in_channels, shapes_per_cell, strict=True)
    )


def point_headers(in_channels: Sequence[int], shapes_per_cell: Sequence[int], values: int) -> Headers:
    """One 1×1 convolution with bias a map, as YOLO's."""
    return Headers(
        nn.Conv2d(channels, shapes * values, 1)
        for channels, shapes in zip(in_channels, shapes_per_cell, strict=True)
    )


def lite_headers(in_channels: Sequence[int], shapes_per_cell: Sequence[int], values: int) -> Headers:
    """A separable header on every map, whatever its size."""
    return Headers(
        separable_conv(channels, shapes * values)
        for channels, shapes in zip(in_channels, shapes_per_cell, strict=True)
    )


def bare_lite_headers(in_channels: Sequence[int], shapes_per_cell: Sequence[int], values: int) -> Headers:
    """Those of pytorch-ssd's mb1-ssd-lite and sq-ssd-lite: depthwise 3×3, ReLU, 1×1, no BN; a plain 1×1 on the last map."""
    *finer, last = [
        (channels, shapes * values) for channels, shapes in zip(in_channels, shapes_per_cell, strict=True)
    ]
    separable = [
        nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, out_channels, 1),
        )
        for channels, out_channels in finer
    ]
    return Headers([*separable, nn.Conv2d(*last, kernel_size=1)])


def mobile_headers(in_channels: Sequence[int], shapes_per_cell: Sequence[int], values: int) -> Headers:
    """Those of torchvision's ssdlite320: depthwise 3×3 without bias, BN, ReLU6, 1×1 on every map."""
    return Headers(
        nn.Sequential(
            conv_bn_act(channels, channels, 3, groups=channels, act=ReLU6()),
            nn.Conv2d(channels, shapes * values, 1),
        )
        for channels, shapes in zip(in_channels, shapes_per_cell, strict=True)
    )


def shared_headers(
    in_channels: Sequence[int], shapes_per_cell: Sequence[int], values: int, depth: int = 3
) -> SharedHeaders:
    """One for all maps."""
    ((channels, shapes),) = set(zip(in_channels, shapes_per_cell, strict=True))
    return SharedHeaders(channels, len(in_channels), shapes * values, depth)


def tower_headers(
    in_channels: Sequence[int],
    shapes_per_cell: Sequence[int],
    values: int,
    channels: int = 256,
    depth: int = 2,
) -> Headers:
    """A map's own tower of 3×3 convolutions with BN and ReLU, and a 3×3 with bias."""
    return Headers(
        nn.Sequential(
            *(layer for before in (own, *[channels] * (depth - 1)) for layer in conv_bn(before, channels, 3)),
            nn.Conv2d(channels, shapes * values, 3, padding=1),
        )
        for own, shapes in zip(in_channels, shapes_per_cell, strict=True)
    )


def flatten_predictions(output: Tensor, values: int) -> Tensor:
    """(N, A·c, h, w) → (N, h·w·A, c): the order of the priors."""
    return output.permute(0, 2, 3, 1).reshape(output.shape[0], -1, values)


def initialise_headers(headers: Headers | SharedHeaders | NoOffsets, std: float) -> None:
    """Last convolution of each header: small weights and no bias, so that all priors begin alike."""
    for last in headers.last_layers.values():
        nn.init.normal_(last.weight, std=std)
        assert last.bias is not None
        nn.init.zeros_(last.bias)


def bias_to_background(
    headers: Headers | SharedHeaders, num_classes: int, objects: float, first_class: int = 0
) -> None:
    """Bias of the classification headers so that softmax gives all object classes together ``objects``.

    (The prior π of Lin et al. 2017, section 4.1, for softmax.) Where the values begin with class 1, a sigmoid gives it to each
    (the paper's own form). Saves the steps in which a net only learns that most priors show nothing.
    """
    for last in headers.last_layers.values():
        bias = last.bias
        assert bias is not None
        if first_class:
            nn.init.constant_(bias, -math.log((1 - objects) / objects))
            continue
        background = math.log((1 - objects) / objects * (num_classes - 1))
        nn.init.zeros_(bias)
        bias.data.view(-1, num_classes)[:, 0] = background
