"""Which net a state dict looks like, by names and shapes: for the message where it is not the one that was asked for.

Names are those of pytorch-ssd (qfgaohao, dusty-nv), of torchvision and of this toolkit, which keeps pytorch-ssd's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from vision.nn.backbones.mobilenet_v2 import STAGES, STEM_CHANNELS
from vision.nn.blocks import make_divisible
from vision.nn.weights.key_maps import form_of

Shape = tuple[int, ...]
PUBLISHED_WIDTHS = (1.0, 0.1, 0.2, 0.25, 0.35, 0.5, 0.75, 1.3, 1.4)
"""Tried first, so that of several widths with the same channels the usual one is named."""
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
    ("mb3-large", (("1.block.1.0.weight", None), ("4.block.2.fc1.weight", None))),
    ("mb3-small", (("1.block.1.fc1.weight", None), ("2.block.1.0.weight", None))),
    ("resnet101", (("layer1.0.conv3.weight", None), ("layer3.22.conv1.weight", None))),
    ("resnet50", (("layer1.0.conv3.weight", None), ("layer3.5.conv1.weight", None))),
    ("resnet34", (("layer1.0.conv2.weight", None), ("layer3.5.conv1.weight", None))),
    ("resnet18", (("layer1.0.conv2.weight", None), ("layer3.1.conv1.weight", None))),
    ("classroom", (("0.0.weight", None), ("1.conv1.weight", None), ("2.conv1.weight", None))),
    ("darknet53", (("0.0.weight", None), ("2.pair.0.0.weight", None))),
    ("darknet19", (("0.0.weight", None), ("5.0.0.weight", None), ("5.1.0.weight", None))),
)
"""Layers of a backbone, counted from itself → its short name."""

_CLASSIFIERS = {
    "mb2": "MobileNetV2 (a classifier in pytorch-ssd's form)",
    "mb2 of torchvision": "torchvision's MobileNetV2 (a classifier)",
    "mb1": "MobileNetV1 (a classifier)",
    "vgg16": "VGG-16 (a classifier)",
    "sq": "SqueezeNet (a classifier)",
    "mb3": "MobileNetV3 (a classifier in pytorch-ssd's form)",
    "mb3-large": "torchvision's MobileNetV3 (a classifier)",
    "mb3-small": "torchvision's MobileNetV3 (a classifier)",
    "resnet101": "ResNet-101 (a classifier)",
    "resnet50": "ResNet-50 (a classifier)",
    "resnet34": "ResNet-34 (a classifier)",
    "resnet18": "ResNet-18 (a classifier)",
    "darknet53": "DarkNet53 (a classifier)",
    "classroom": "ObjectDetectionFromScratch's backbone",
    "darknet19": "DarkNet19 (a classifier)",
}
_COMPOSED = {
    "mb1": "mobilenet-v1",
    "mb2": "mobilenet-v2",
    "mb3-large": "mobilenet-v3-large",
    "mb3-small": "mobilenet-v3-small",
}
"""Short name of a backbone → its name in a composed net, where that is another one."""
_NECKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("fssd-depthwise", ("extras.transforms.0.0.weight", "extras.levels.0.3.weight")),
    ("fssd-lite", ("extras.transforms.0.0.weight", "extras.extra.3.weight")),
    ("fssd", ("extras.transforms.0.0.weight",)),
    ("yolo-v2", ("extras.deepen.0.0.weight",)),
    ("yolo-v3", ("extras.routers.0.0.weight",)),
    ("ssd-bifpn", ("extras.laterals.0.0.weight", "extras.stacks.0.up.0.0.weight")),
    ("ssd-fpn", ("extras.laterals.0.0.weight",)),
    ("rfb", ("extras.blocks.0.branches.0.0.0.weight", "extras.blocks.0.shortcut.0.weight")),
    ("rfb-lite", ("extras.blocks.0.branches.0.0.0.weight",)),
    ("ssd-lite", ("extras.norm.weight", "extras.0.6.weight")),
    ("ssd", ("extras.norm.weight", "extras.0.2.weight")),
)
"""Detector → names that its neck has, all of them; pytorch-ssd's nets have none of these."""
_OTHERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("torchvision's Faster R-CNN or its kin", ("rpn.head.", "roi_heads.")),
    ("torchvision's RetinaNet or FCOS", ("backbone.fpn.", "head.regression_head.")),
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
    if form := form_of(names):
        return form.title
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


def net_in(words: str) -> str | None:
    """The name for ``--net`` in what ``looks_like`` has said; None where it is no net with such a name."""
    name = words.split(" at --width-mult ")[0].removeprefix("torchvision's ")
    return name if re.fullmatch(r"[a-z0-9_-]+", name) else None


def _detector(shapes: Mapping[str, Shape]) -> str:
    inner = {
        name.removeprefix("base_net."): shape
        for name, shape in shapes.items()
        if name.startswith("base_net.")
    }
    kind = _backbone(inner)
    if kind is None:
        return f"an SSD of pytorch-ssd's form with a backbone that is {UNKNOWN}"
    for neck, marks in _NECKS:
        if all(mark in shapes for mark in marks):
            return _composed(neck, kind, shapes)
    if kind in ("vgg16", "classroom"):
        return {"vgg16": "vgg16-ssd"}.get(kind, kind)
    if kind == "mb3":
        return "pytorch-ssd's mb3-ssd-lite, whose blocks differ from those of torchvision's MobileNetV3"
    lite = any(
        name.startswith("classification_headers.0.0.") for name in shapes
    )  # a sequence, not one convolution
    return f"{kind.removesuffix(' of torchvision')}-ssd{'-lite' if lite else ''}{_width_words(inner, kind)}"


def _composed(neck: str, kind: str, shapes: Mapping[str, Shape]) -> str:
    """Beside the zoo's SSD on VGG16, of six boxes a cell on its finest map: pytorch-ssd's and torchvision's, of four."""
    if "extras.norm.running_mean" in shapes and neck == "ssd":
        return "vgg16-ssd"
    if (neck, kind) == ("ssd", "vgg16") and shapes.get("regression_headers.0.bias") == (16,):
        return "ssd300_vgg16"
    return f"{neck}-{_COMPOSED.get(kind, kind)}"


def _backbone(shapes: Mapping[str, Shape]) -> str | None:
    for kind, marks in _BACKBONES:
        if all(name in shapes and shape in (None, shapes[name]) for name, shape in marks):
            return kind
    return None


def _width_words(shapes: Mapping[str, Shape], kind: str) -> str:
    if not kind.startswith("mb2"):
        return ""
    width = mobilenet_v2_width({name: shape for name, shape in shapes.items() if len(shape) == 4})
    return "" if width is None else f" at --width-mult {width:g}"


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
