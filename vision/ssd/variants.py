"""The one table of names: what each ``--net`` is. Data only, no torch.

A row names its parts; ``build.py`` has the one table a part that turns a name into a module. A new variant is
a new row here and, where a part is new, one entry there. Most rows are composed: each kind of detector (``DETECTORS``)
on each backbone (``BACKBONE_ROWS``) that has the maps it takes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vision.nn.backbone_rows import BACKBONE_ROWS as BACKBONE_ROWS
from vision.nn.backbone_rows import BackboneRow as BackboneRow
from vision.ssd.naming.answers import Names
from vision.ssd.priors.profiles import (
    ANCESTOR_MOBILENET,
    ANCESTOR_VGG,
    CLASSROOM,
    COCO_MOBILENET,
    COCO_VGG,
    PYRAMID,
    S8,
    S16,
    TORCHVISION_MOBILE,
    TORCHVISION_VGG,
    YOLO2,
    YOLO3,
    PriorProfile,
)
from vision.ssd.priors.written import profile_of


@dataclass(frozen=True)
class Nms:
    """Post-processing by non-maximum suppression within each class.

    The ``candidates`` best (prior, class) pairs of an image go in; of two boxes of a class that overlap more than
    ``iou_threshold`` (Liu et al. 2016, section 3) the better one stays; the ``limit`` best come out.
    """

    iou_threshold: float = 0.45
    candidates: int = 400
    limit: int = 100


@dataclass(frozen=True)
class Overlaps:
    """Which priors learn an object: those of IoU ``object_from``; of less than ``background_below`` background, between neither."""

    object_from: float = 0.5
    background_below: float = 0.5

    def __post_init__(self) -> None:
        assert 0 < self.background_below <= self.object_from <= 1, self


@dataclass(frozen=True)
class Variant:
    """One detector as data.

    ``sources`` names the maps that are taken from the backbone, finest first; ``neck_options`` goes to the neck's builder,
    ``loss_options`` to the loss's. ``resolution`` (width, height in px) and ``channels`` are its own where nothing else is told.
    ``priors`` holds the profiles by name. ``initial_objects`` is the probability that an untrained net gives
    to all object classes together (softmax) or to each (sigmoid); ``head_std`` is that of the first weights of the heads' last layer.
    ``zero`` is the pixel (red, green and blue in 0..255) that is 0 to the first layer, as its padding is, where that is not the
    mean of the deployed input: published weights are then the same to the border.
    """

    name: str
    title: str
    backbone: str
    sources: tuple[str, ...]
    neck: str
    heads: str
    priors: Mapping[str, PriorProfile] = field(hash=False)
    neck_options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    coder: str = "ssd"
    score_function: str = "softmax"
    loss: str = "multibox"
    loss_options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    matching: Overlaps = Overlaps()
    postprocess: Nms = Nms()
    resolution: tuple[int, int] = field(default=(300, 300))
    channels: int = 3
    head_std: float = 0.01
    initial_objects: float = 0.25  # the share of positives at 3 negatives each; docs/ssd.md, "First weights"
    zero: tuple[float, float, float] | None = None

    @property
    def first_class(self) -> int:
        """The class that a prior's first logit is of: background, or 1 where each object class has a sigmoid of its own."""
        return int(self.score_function == "sigmoid")

    @property
    def torchvision_weights(self) -> str | None:
        """What torchvision calls weights of the backbone."""
        return BACKBONE_ROWS[self.backbone].torchvision_weights

    def profile(self, priors: str) -> PriorProfile:
        """The profile of that name, or of the boxes that ``priors`` spells. Raises ValueError as ``profile_of``."""
        return profile_of(priors, self.priors, self.name)


@dataclass(frozen=True)
class Layout:
    """How a kind of detector stands on some backbones: the maps it takes there, its prior boxes, its neck's options."""

    backbones: tuple[str, ...]
    sources: tuple[str, ...]
    priors: Mapping[str, PriorProfile] = field(hash=False)
    neck_options: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class DetectorKind:
    """What a detector is on every backbone; ``rest`` are further fields of its rows."""

    name: str
    title: str
    neck: str
    layouts: tuple[Layout, ...]
    heads: str = "full"
    rest: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def on(self, backbone: BackboneRow) -> Variant | None:
        """The row of this kind on ``backbone``; None where that lacks a map, or nobody has said how it stands there."""
        for layout in self.layouts:
            if backbone.name in layout.backbones and set(layout.sources) <= set(backbone.strides):
                return Variant(
                    name=f"{self.name}-{backbone.name}", title=f"{self.title} on {backbone.title}",
                    backbone=backbone.name, sources=layout.sources, neck=self.neck, heads=self.heads,
                    priors=layout.priors, neck_options=layout.neck_options, **self.rest,
                )  # fmt: skip
        return None


DEFAULT_PRIORS = "coco"
DEFAULT_VARIANT = "mb2-ssd-lite"

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101")
DARKNETS = ("darknet19", "darknet53")
MOBILENETS = ("mobilenet-v1", "mobilenet-v2", "mobilenet-v3-large", "mobilenet-v3-small")


_HALVED, _SHRUNK = ("halve",) * 2, ("shrink",) * 2


def _on_all(
    heavy: Mapping[str, Any], darknets: Mapping[str, Any], mobilenets: Mapping[str, Any]
) -> tuple[Layout, ...]:
    """Maps of 38, 19, 10, 5, 3, 1 cells at 300 px on the heavy backbones, of 19, 10, 5, 3, 2, 1 on the others."""
    return (
        Layout(("vgg16", *RESNETS), ("8", "16"), S8, heavy),
        Layout(DARKNETS, ("16", "32"), S16, darknets),
        Layout(MOBILENETS, ("16", "32"), S16, mobilenets),
    )


def _extras(*layers: str, last: int = 256, lite: bool = False) -> dict[str, Any]:
    """The extra layers that all of ssds.pytorch's nets have: what each does, and its channels."""
    return {"plan": tuple(zip(layers, (512, 256, 256, last), strict=True)), "lite": lite}


def _ssd_layouts(lite: bool) -> tuple[Layout, ...]:
    all_halved = (*_HALVED, *_HALVED)
    return _on_all(
        _extras(*_HALVED, *_SHRUNK, lite=lite),
        _extras(*all_halved, lite=lite),
        _extras(*all_halved, last=128, lite=lite),
    )


def _rfb_layouts(lite: bool) -> tuple[Layout, ...]:
    first = ("rfb", "halve" if lite else "rfb")
    return _on_all(
        _extras("rfb", "rfb", *_SHRUNK, lite=lite),
        _extras(*first, *_HALVED, lite=lite),
        _extras(*first, *_HALVED, last=128, lite=lite),
    )


def _fssd_layouts(**options: Any) -> tuple[Layout, ...]:
    """Maps of 38, 19, 10, 5, 3 and 1 cells on every backbone."""
    wide = {"pyramid": (512, 512, 256, 256, 256, 256), **options}
    return (
        Layout(("vgg16", *RESNETS), ("8", "16"), S8, {"extra": 512, **wide}),
        Layout((*DARKNETS, "mobilenet-v1"), ("8", "16", "32"), S8, wide),
        Layout(MOBILENETS[1:], ("8", "16", "32"), S8, {"pyramid": (256, 256, 256, 256, 128, 128), **options}),
    )


_ALL = ("vgg16", *RESNETS, *DARKNETS, *MOBILENETS)
_YOLO = {"resolution": (416, 416)}
_SIGMOIDS: dict[str, Any] = {
    "score_function": "sigmoid", "loss": "sigmoid-focal", "matching": Overlaps(0.5, 0.4),
}  # fmt: skip
_PYRAMID = {**_SIGMOIDS, "resolution": (320, 320), "initial_objects": 0.01}
"""Lin et al. 2017 (RetinaNet), sections 4 and 4.1; the size of TensorFlow's SSD MobileNet V2 FPNLite 320."""
_PYRAMIDS = (Layout(MOBILENETS[1:], ("8", "16", "32"), PYRAMID),)

DETECTORS: dict[str, DetectorKind] = {
    kind.name: kind
    for kind in (
        DetectorKind("ssd", "SSD", "ssd", _ssd_layouts(lite=False)),
        DetectorKind("ssd-lite", "SSD with separable extra layers", "ssd", _ssd_layouts(lite=True)),
        DetectorKind("rfb", "RFB net", "rfb", _rfb_layouts(lite=False)),
        DetectorKind("rfb-lite", "RFB net with separable blocks", "rfb", _rfb_layouts(lite=True)),
        DetectorKind("fssd", "FSSD", "fssd", _fssd_layouts()),
        DetectorKind("fssd-lite", "FSSD with separable extra layers", "fssd", _fssd_layouts(lite=True)),
        DetectorKind(
            "fssd-depthwise",
            "FSSD, all of it separable",
            "fssd",
            _fssd_layouts(lite=True, depthwise=True),
            heads="lite",
        ),
        DetectorKind(
            "yolo-v2", "YOLOv2's neck", "yolo-v2", (Layout(_ALL, ("16", "32"), YOLO2),), "point", _YOLO
        ),
        DetectorKind(
            "yolo-v3", "YOLOv3's neck", "yolo-v3", (Layout(_ALL, ("8", "16", "32"), YOLO3),), "point", _YOLO
        ),
        DetectorKind("ssd-fpn", "SSD on a light feature pyramid", "fpn", _PYRAMIDS, "shared", _PYRAMID),
        DetectorKind("ssd-bifpn", "SSD on a light BiFPN", "bifpn", _PYRAMIDS, "shared", _PYRAMID),
    )
}
"""The kinds of ssds.pytorch (2018), with its heads: plain convolutions, also where it says lite; and pyramids as its 2020
rewrite has, in a light form."""

_MOBILE_PRIORS = {"coco": COCO_MOBILENET, "ancestor": ANCESTOR_MOBILENET}

_NAMED = (
    Variant(
        name="vgg16-ssd",
        title="SSD on VGG16, with BatchNorm on its finest map",
        backbone="vgg16",
        sources=("8", "16"),
        neck="ssd",
        neck_options=_extras(*_HALVED, *_SHRUNK) | {"normalise": "batch"},
        heads="full",
        priors={"coco": COCO_VGG, "ancestor": ANCESTOR_VGG},
    ),
    Variant(
        name="mb1-ssd",
        title="SSD on MobileNetV1",
        backbone="mobilenet-v1",
        sources=("16", "32"),
        neck="ssd",
        neck_options=_extras(*_HALVED, *_HALVED) | {"normalise": "none"},
        heads="full",
        priors=_MOBILE_PRIORS,
    ),
    Variant(
        name="mb1-ssd-lite",
        title="SSD with separable layers on MobileNetV1",
        backbone="mobilenet-v1",
        sources=("16", "32"),
        neck="bare-separable-extras",
        neck_options={"plan": ((1, 512), (1, 256), (1, 256), (1, 256))},
        heads="bare-lite",
        priors=_MOBILE_PRIORS,
    ),
    Variant(
        name="mb2-ssd-lite",
        title="SSDLite on MobileNetV2: 4.5 M parameters, 0.79 GMAC at 300×300",
        backbone="mobilenet-v2",
        sources=("expansion-16", "last-32"),
        neck="inverted-residual-extras",
        heads="ssd-lite",
        priors=_MOBILE_PRIORS,
    ),
    Variant(
        name="sq-ssd-lite",
        title="SSD with separable layers on SqueezeNet 1.1",
        backbone="squeezenet",
        sources=("16", "last-16"),
        neck="bare-separable-extras",
        neck_options={"plan": ((2, 512), (1, 512), (1, 256), (1, 256), (1, 256)), "hidden": True},
        heads="bare-lite",
        priors=_MOBILE_PRIORS,
    ),
    *(
        Variant(
            name=f"mb3-{size}-ssd-lite",
            title=f"SSDLite on MobileNetV3 {size}, as torchvision's ssdlite320",
            backbone=f"mobilenet-v3-{size}",
            sources=("expansion-16", "reduced-32"),
            neck="mobile-extras",
            neck_options={"channels": (512, 256, 256, 128)},
            heads="mobile",
            priors=_MOBILE_PRIORS | {"published": TORCHVISION_MOBILE},
        )
        for size in ("large", "small")
    ),
    Variant(
        name="classroom",
        title="ObjectDetectionFromScratch's net: grey, 128×64 px, one map of stride 4",
        backbone="classroom",
        sources=("4",),
        neck="none",
        heads="tower",
        priors=CLASSROOM,
        **_SIGMOIDS,
        loss_options={"alpha": None, "gamma": 2.0},  # binary cross-entropy × (target − p)²
        resolution=(128, 64),
        channels=1,
        initial_objects=1 / (1 + math.exp(2.1)),
    ),
    Variant(
        name="ssd300_vgg16",
        title="torchvision's SSD300 on VGG16, as its paper has it",
        backbone="vgg16",
        sources=("8", "16"),
        neck="ssd",
        neck_options=_extras(*_HALVED, *_SHRUNK),
        heads="full",
        priors={"coco": COCO_VGG, "published": TORCHVISION_VGG, "ancestor": ANCESTOR_VGG},
        postprocess=Nms(0.45, 2000, 200),
        zero=(0.48235 * 255, 0.45882 * 255, 0.40784 * 255),
    ),
    Variant(
        name="ssdlite320_mobilenet_v3_large",
        title="torchvision's SSDLite on MobileNetV3",
        backbone="mobilenet-v3-large",
        sources=("expansion-16", "reduced-32"),
        neck="mobile-extras",
        neck_options={"channels": (512, 256, 256, 128)},
        heads="mobile",
        priors={"coco": COCO_MOBILENET, "published": TORCHVISION_MOBILE},
        resolution=(320, 320),
        postprocess=Nms(0.55, 2000, 300),
    ),
)
"""The nets that other projects have published, under their names there."""

_COMPOSED = [kind.on(backbone) for kind in DETECTORS.values() for backbone in BACKBONE_ROWS.values()]
VARIANTS: dict[str, Variant] = {row.name: row for row in (*_NAMED, *filter(None, _COMPOSED))}

PROFILES = sorted({profile for row in VARIANTS.values() for profile in row.priors})
"""Every name that ``--priors`` knows."""
HEAD_KINDS = {"full": "full", "point": "full", "ssd-lite": "lite", "lite": "lite"} | dict.fromkeys(
    ("bare-lite", "mobile"), "lite"
)
"""Heads → what ``--heads`` calls them."""


def find(name: str, heads: str | None = None) -> Variant:
    """The row called ``name``, in any case, with hyphens or underscores; with ``full`` or ``lite`` heads for its own.

    Raises ValueError: with the name that was probably meant, or with the reason why a combination is not there.
    """
    if name not in VARIANTS:
        kinds = {kind.name: [layout.sources for layout in kind.layouts] for kind in DETECTORS.values()}
        nets = {row.name: row.backbone for row in VARIANTS.values()}
        names = Names(kinds, BACKBONE_ROWS, nets, [row.name for row in _NAMED])
        if (ours := names.written_otherwise(name)) is None:
            raise ValueError(names.answer(name))
        name = ours
    row = VARIANTS[name]
    if heads is None or HEAD_KINDS.get(row.heads) == heads:
        return row
    if row.heads not in HEAD_KINDS:
        raise ValueError(f"--heads {heads}: {name} has heads of its own kind; leave the option out")
    return dataclasses.replace(row, heads=heads)
