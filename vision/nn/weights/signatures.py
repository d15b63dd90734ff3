"""Which net a state dict looks like, by names and shapes: for the message where it is not the one that was asked for.

Names are those of pytorch-ssd (qfgaohao, dusty-nv), of torchvision and of this toolkit, which keeps pytorch-ssd's.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from vision.nn.backbones.mobilenet_v2 import STAGES, STEM_CHANNELS
from vision.nn.blocks import make_divisible

Shape = tuple[int, ...]
PUBLISHED_WIDTHS = (1.0, 0.1, 0.2, 0.25, 0.35, 0.5, 0.75, 1.3, 1.4)
"""Tried first, so that of several widths with the same channels the usual one is named."""
PUBLISHED = ("vgg16-ssd", "mb1-ssd", "mb1-ssd-lite", "mb2-ssd-lite at --mb2-width-mult 1", "sq-ssd-lite")
"""What ``looks_like`` calls nets that have a name for ``--net``."""
UNKNOWN = "no net that this toolkit knows"

Marks = tuple[tuple[str, Shape | None], ...]
"""Parameters that have to be there, with their shapes (None: any)."""

_BACKBONES: tuple[tuple[str, Marks], ...] = (
    ("mb2", (("1.conv.0.weight", None), ("14.conv.3.weight", None))),
    ("mb2 of torchvision", (("1.conv.0.0.weight", None), ("14.conv.1.0.weight", None))),
    ("mb1", (("1.0.weight", None), ("1.3.weight", None), ("13.3.weight", None))),
    ("vgg16", (("0.weight", (64, 3, 3, 3)), ("2.weight", (64, 64, 3, 3)), ("28.weight", (512, 512, 3, 3)))),
    ("sq", (("3.squeeze.weight", None), ("3.expand1x1.weight", None))),
    ("mb3", (("3.conv1.weight", None), ("3.bn1.weight", None), ("3.conv3.weight", None))),
    ("mb3 of torchvision", (("1.block.0.0.weight", None), ("2.block.1.0.weight", None))),
)
"""Layers of a backbone, counted from itself → its short name."""

_CLASSIFIERS = {
    "mb2": "MobileNetV2 (a classifier in pytorch-ssd's form)",
    "mb2 of torchvision": "torchvision's MobileNetV2 (a classifier)",
    "mb1": "MobileNetV1 (a classifier)",
    "vgg16": "VGG-16 (a classifier)",
    "sq": "SqueezeNet (a classifier)",
    "mb3": "MobileNetV3 (a classifier in pytorch-ssd's form)",
    "mb3 of torchvision": "torchvision's MobileNetV3 (a classifier)",
}
_OTHERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "torchvision's ssdlite320_mobilenet_v3",
        ("backbone.features.0.0.", "head.classification_head.", "backbone.extra."),
    ),
    ("torchvision's ssd300_vgg16", ("backbone.scale_weight", "head.classification_head.")),
    ("torchvision's Faster R-CNN or its kin", ("rpn.head.", "roi_heads.")),
    ("torchvision's RetinaNet or FCOS", ("backbone.fpn.", "head.regression_head.")),
    ("a ResNet", ("layer1.0.conv1.", "layer4.")),
    ("a YOLO of Ultralytics", ("model.0.conv.weight",)),
    ("an EfficientNet", ("features.1.0.block.0.0.weight",)),
)
"""Net → what some of its names begin with, each of them."""


def looks_like(weights: Mapping[str, Tensor]) -> str:
    """The net, in words, with its width where that can be told; UNKNOWN where the names tell nothing."""
    names = [name.removeprefix("module.") for name in weights]
    shapes = {name.removeprefix("module."): tuple(value.shape) for name, value in weights.items()}
    if any(name.startswith("classification_headers.") for name in names):
        return _detector(shapes)
    for net, beginnings in _OTHERS:
        if all(any(name.startswith(beginning) for name in names) for beginning in beginnings):
            return net
    for prefix in ("base_net.", "features.", "model.", ""):
        kind = _backbone(
            {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
        )
        if kind:
            width = _width_words(
                {n.removeprefix(prefix): s for n, s in shapes.items() if n.startswith(prefix)}, kind
            )
            if prefix == "base_net.":
                return f"the backbone of {kind}-ssd{width}"
            return _CLASSIFIERS[kind] + width
    return UNKNOWN


def _detector(shapes: Mapping[str, Shape]) -> str:
    inner = {
        name.removeprefix("base_net."): shape
        for name, shape in shapes.items()
        if name.startswith("base_net.")
    }
    kind = _backbone(inner)
    if kind is None:
        return f"an SSD of pytorch-ssd's form with a backbone that is {UNKNOWN}"
    if kind == "vgg16":
        return "vgg16-ssd"
    lite = "classification_headers.0.0.weight" in shapes  # a sequence, not one convolution
    return f"{kind.removesuffix(' of torchvision')}-ssd{'-lite' if lite else ''}{_width_words(inner, kind)}"


def _backbone(shapes: Mapping[str, Shape]) -> str | None:
    for kind, marks in _BACKBONES:
        if all(name in shapes and shape in (None, shapes[name]) for name, shape in marks):
            return kind
    return None


def _width_words(shapes: Mapping[str, Shape], kind: str) -> str:
    if not kind.startswith("mb2"):
        return ""
    width = mobilenet_v2_width({name: shape for name, shape in shapes.items() if len(shape) == 4})
    return "" if width is None else f" at --mb2-width-mult {width:g}"


def mobilenet_v2_width(shapes: Mapping[str, Shape]) -> float | None:
    """The width multiplier of a MobileNetV2 by the channels of its stem and of its stages' blocks; None if none fits.

    ``shapes`` are those of the convolutions, named ``{block}.conv.…``; channels are rounded to multiples of 8
    as here, or down as in the first pytorch-ssd.
    """
    found = _stage_channels(shapes)
    if found is None:
        return None
    base = (STEM_CHANNELS, *(channels for _, channels, _, _ in STAGES))
    for width in (*PUBLISHED_WIDTHS, *(step / 20 for step in range(1, 161))):
        rounded = tuple(make_divisible(channels, width) for channels in base)
        if found in (rounded, tuple(int(channels * width) for channels in base)):
            return width
    return None


def _stage_channels(shapes: Mapping[str, Shape]) -> tuple[int, ...] | None:
    """Channels of the stem and out of each stage's first block."""
    stem = shapes.get("0.0.weight")
    if stem is None:
        return None
    channels, block = [stem[0]], 1
    for _, _, repeats, _ in STAGES:
        inside = [shape for name, shape in shapes.items() if name.startswith(f"{block}.conv.")]
        if not inside:
            return None
        channels.append(inside[-1][0])  # the last convolution of a block gives its output
        block += repeats
    return tuple(channels)
