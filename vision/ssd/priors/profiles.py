"""Prior profiles: which boxes an SSD starts from. Data only, no torch.

A shape is (width, height) as fractions of the input's width and height. Images are resized to the input
without keeping their aspect, so a shape means the same share of the image at every resolution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Shape = tuple[float, float]


@dataclass(frozen=True)
class MapPriors:
    """The priors of one feature map: ``shapes`` in every cell, in this order.

    ``cells_at_300`` is the number of cells that the ancestors divide 300 px into, a fraction where the
    stride does not divide 300 (18.75 for stride 16); None takes the cells that the map really has.
    """

    shapes: tuple[Shape, ...]
    cells_at_300: float | None = None


@dataclass(frozen=True)
class PriorProfile:
    """One ``MapPriors`` a feature map, finest first."""

    name: str
    maps: tuple[MapPriors, ...]
    centres_inside: bool = True
    """Whether centres beyond the border are moved onto it, as pytorch-ssd does."""

    @property
    def shapes_per_cell(self) -> tuple[int, ...]:
        return tuple(len(single.shapes) for single in self.maps)


def ssd_shapes(smallest: float, largest: float, ratios: Sequence[float]) -> tuple[Shape, ...]:
    """Liu et al. 2016, section 2.2: the square of ``smallest``, that of √(smallest · largest), and for each
    ratio r the boxes of the smallest's area, (w√r, h/√r) and (w/√r, h√r)."""
    between = math.sqrt(smallest * largest)
    shapes = [(smallest, smallest), (between, between)]
    for ratio in ratios:
        root = math.sqrt(ratio)
        shapes += [(smallest * root, smallest / root), (smallest / root, smallest * root)]
    return tuple(shapes)


def _ancestor_map(shrinkage: int, smallest: int, largest: int, ratios: Sequence[float] = (2, 3)) -> MapPriors:
    return MapPriors(ssd_shapes(smallest / 300, largest / 300, ratios), cells_at_300=300 / shrinkage)


ANCESTOR_MOBILENET = PriorProfile(
    "ancestor",
    (
        _ancestor_map(16, 60, 105),
        _ancestor_map(32, 105, 150),
        _ancestor_map(64, 150, 195),
        _ancestor_map(100, 195, 240),
        _ancestor_map(150, 240, 285),
        _ancestor_map(300, 285, 330),
    ),
)

"""pytorch-ssd's for MobileNets and SqueezeNet: of 19 (SqueezeNet 17), 10, 5, 3, 2 and 1 cells, 3000 (2568) boxes."""

ANCESTOR_VGG = PriorProfile(
    "ancestor",
    (
        _ancestor_map(8, 30, 60, (2,)),
        _ancestor_map(16, 60, 111),
        _ancestor_map(32, 111, 162),
        _ancestor_map(64, 162, 213),
        _ancestor_map(100, 213, 264, (2,)),
        _ancestor_map(300, 264, 315, (2,)),
    ),
)
"""Of 38, 19, 10, 5, 3 and 1 cells at 300 px: 8732 boxes."""


def _torchvision(
    scales: Sequence[float], ratios: Sequence[Sequence[float]], strides: Sequence[int | None]
) -> PriorProfile:
    """Of one scale to the next; with a stride the centres of 300 px are multiples of it."""
    maps = tuple(
        MapPriors(ssd_shapes(small, large, own), 300 / stride if stride else None)
        for small, large, own, stride in zip(scales[:-1], scales[1:], ratios, strides, strict=True)
    )
    return PriorProfile("published", maps, centres_inside=False)


TORCHVISION_MOBILE = _torchvision([0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0], [(2, 3)] * 6, [None] * 6)
"""ssdlite320_mobilenet_v3_large's."""
TORCHVISION_VGG = _torchvision(
    [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05],
    [(2,), (2, 3), (2, 3), (2, 3), (2,), (2,)],
    [8, 16, 32, 64, 100, 300],
)
"""ssd300_vgg16's."""


# COCO's images are wider than tall, so a square object is taller than wide as fractions of the image
COCO_WIDTH_TO_HEIGHT = 0.8


def _coco_map(sizes: Sequence[float], ratios: Sequence[float]) -> MapPriors:
    """Every size (side of the square of the same area) in every ratio of width to height, COCO's tilt on top."""
    sides = [math.sqrt(ratio * COCO_WIDTH_TO_HEIGHT) for ratio in ratios]
    return MapPriors(tuple((size * side, size / side) for size in sizes for side in sides))


# Sizes and ratios were chosen by the coverage of the boxes in 208 training images and kept to this form
# (16 numbers, not 72) because coverage on other images is then the same: docs/ssd.md, "Priors for COCO".
# The finest map gets three sizes: 3 of 4 COCO boxes are small or medium, and it alone can hold them.
_NARROW_WIDE = (1.7, 1 / 1.7)
_EVEN_NARROW_WIDE = (1.0, 2.4, 1 / 2.4)

COCO_MOBILENET = PriorProfile(
    "coco",
    (
        _coco_map((0.055, 0.092, 0.145), _NARROW_WIDE),
        _coco_map((0.19, 0.28), _EVEN_NARROW_WIDE),
        _coco_map((0.32, 0.46), _EVEN_NARROW_WIDE),
        _coco_map((0.46, 0.58), _EVEN_NARROW_WIDE),
        _coco_map((0.62, 0.78), _EVEN_NARROW_WIDE),
        _coco_map((0.85, 0.95), _EVEN_NARROW_WIDE),
    ),
)

COCO_VGG = PriorProfile(
    "coco",
    (
        _coco_map((0.045, 0.085), _NARROW_WIDE),
        _coco_map((0.13, 0.19), _EVEN_NARROW_WIDE),
        _coco_map((0.26, 0.36), _EVEN_NARROW_WIDE),
        _coco_map((0.45, 0.58), _EVEN_NARROW_WIDE),
        _coco_map((0.68, 0.8), _NARROW_WIDE),
        _coco_map((0.88, 0.95), _NARROW_WIDE),
    ),
)


# ---------------------------------------------------------------- ssds.pytorch (2018)


def _published_ssd(strides: Sequence[int], sizes: Sequence[int]) -> PriorProfile:
    """Its configurations at 300 px: ratios 2 and 3 on the first four maps (6 boxes a cell), 2 on the last two (4)."""
    ratios = [(2, 3)] * 4 + [(2,)] * 2
    return PriorProfile(
        "published",
        tuple(
            MapPriors(ssd_shapes(small / 300, large / 300, own), cells_at_300=300 / stride)
            for stride, small, large, own in zip(strides, sizes[:-1], sizes[1:], ratios, strict=True)
        ),
    )


S8 = {
    "coco": PriorProfile(
        "coco",
        (
            _coco_map((0.035, 0.06, 0.1), _NARROW_WIDE),
            _coco_map((0.13, 0.19), _EVEN_NARROW_WIDE),
            _coco_map((0.26, 0.36), _EVEN_NARROW_WIDE),
            _coco_map((0.45, 0.58), _EVEN_NARROW_WIDE),
            _coco_map((0.68, 0.8), _NARROW_WIDE),
            _coco_map((0.88, 0.95), _NARROW_WIDE),
        ),
    ),
    "published": _published_ssd((8, 16, 32, 64, 100, 300), (30, 60, 111, 162, 213, 264, 315)),
}
"""Of 38, 19, 10, 5, 3 and 1 cells at 300 px: 11,620 boxes."""

S16 = {
    "coco": PriorProfile(
        "coco",
        (
            *COCO_MOBILENET.maps[:4],
            _coco_map((0.62, 0.78), _NARROW_WIDE),
            _coco_map((0.85, 0.95), _NARROW_WIDE),
        ),
    ),
    "published": _published_ssd((16, 32, 64, 100, 150, 300), (45, 90, 135, 180, 225, 270, 315)),
}
"""Of 19, 10, 5, 3, 2 and 1 cells at 300 px: 2,990 boxes."""


# With so few boxes a cell every shape counts: those of the "coco" sets of YOLOv2, YOLOv3 and the classroom net were fitted one by
# one (tools.fit_priors, 208 training images; docs/ssd.md), where the larger sets need only sizes and a few ratios.


def _squares_and_boxes(name: str, *maps: Sequence[Shape]) -> PriorProfile:
    return PriorProfile(name, tuple(MapPriors(tuple(shapes)) for shapes in maps))


YOLO2 = {
    "coco": _squares_and_boxes(
        "coco", [(0.077, 0.123), (0.164, 0.16), (0.18, 0.317), (0.339, 0.511), (0.75, 0.73)]
    ),
    "published": _squares_and_boxes("published", [(side, side) for side in (0.1, 0.2, 0.3, 0.5, 0.9)]),
}
"""Of 13 cells at 416 px: 845 boxes."""

YOLO3 = {
    "coco": _squares_and_boxes(
        "coco",
        [(0.036, 0.042), (0.038, 0.095), (0.1, 0.076)],
        [(0.077, 0.192), (0.2, 0.152), (0.168, 0.336)],
        [(0.474, 0.289), (0.279, 0.612), (0.749, 0.752)],
    ),
    "published": _squares_and_boxes(
        "published",
        [(0.024, 0.031), (0.038, 0.072), (0.079, 0.055)],
        [(0.072, 0.146), (0.146, 0.108), (0.141, 0.286)],
        [(0.278, 0.216), (0.375, 0.475), (0.896, 0.783)],
    ),
}
"""Of 52, 26 and 13 cells at 416 px: 10,647 boxes."""


# ---------------------------------------------------------------- pyramids, and the classroom net


def _pyramid_map(stride: int) -> MapPriors:
    """Four strides a side and √2 times that, at ratios 1, 2 and ½, of an input of 320 px."""
    sizes = (4 * stride / 320, 4 * stride / 320 * math.sqrt(2))
    roots = [math.sqrt(ratio) for ratio in (1.0, 2.0, 0.5)]
    return MapPriors(tuple((size * root, size / root) for size in sizes for root in roots))


PYRAMID = {
    "coco": PriorProfile(
        "coco",
        (
            _coco_map((0.035, 0.07), _EVEN_NARROW_WIDE),
            _coco_map((0.12, 0.18), _EVEN_NARROW_WIDE),
            _coco_map((0.26, 0.36), _EVEN_NARROW_WIDE),
            _coco_map((0.48, 0.62), _EVEN_NARROW_WIDE),
            _coco_map((0.78, 0.95), _EVEN_NARROW_WIDE),
        ),
    ),
    "published": PriorProfile("published", tuple(map(_pyramid_map, (8, 16, 32, 64, 128)))),
}
"""Of 40, 20, 10, 5 and 3 cells at 320 px: 12,804 boxes; published: those of TensorFlow's SSD MobileNet V2 FPNLite 320."""


CLASSROOM = {
    "coco": _squares_and_boxes(
        "coco",
        [
            (0.03, 0.072),
            (0.075, 0.064),
            (0.051, 0.126),
            (0.102, 0.141),
            (0.062, 0.25),
            (0.182, 0.125),
            (0.147, 0.3),
            (0.329, 0.187),
            (0.243, 0.51),
            (0.602, 0.353),
            (0.419, 0.791),
            (0.863, 0.69),
        ],
    ),
    "published": PriorProfile(
        "published",
        (
            # of 128×64 px: a box as wide as a part of the input, and in px as high as wide, half and twice as high
            MapPriors(
                tuple(
                    (width, width * ratio * 128 / 64)
                    for width in (1 / 8, 1 / 4, 1 / 2, 1)
                    for ratio in (1, 0.5, 2)
                )
            ),
        ),
    ),
}
"""Of 32×16 cells at 128×64 px: 6,144 boxes."""
