"""The one table of names: what each ``--net`` is. Data only, no torch.

A row names its parts; ``build.py`` has the one table a part that turns a name into a module. A new variant is
a new row here and, where a part is new, one entry there.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vision.ssd.priors.profiles import ANCESTOR_MOBILENET, COCO_MOBILENET, PriorProfile


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
class BackboneRow:
    """One backbone as data.

    ``strides`` are those of the maps that it offers, by the names that ``Variant.sources`` takes: ``"8"`` is the last map
    of stride 8 as ssds.pytorch takes it; longer names are maps that other detectors take. ``scales`` tells whether it follows a
    width multiplier, ``torchvision_weights`` the enum of torchvision that has weights of it.
    """

    name: str
    title: str
    strides: Mapping[str, int] = field(hash=False)
    scales: bool = False
    torchvision_weights: str | None = None


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
    ``loss_options`` to the loss's.
    ``priors`` holds the profiles by name. ``initial_objects`` is the probability that an untrained net gives
    to all object classes together (softmax) or to each (sigmoid); ``head_std`` is that of the first weights of the heads' last layer.
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
    head_std: float = 0.01
    initial_objects: float = 0.25  # the share of positives at 3 negatives each; docs/ssd.md, "First weights"

    @property
    def first_class(self) -> int:
        """The class that a prior's first logit is of: background, or 1 where each object class has a sigmoid of its own."""
        return int(self.score_function == "sigmoid")

    @property
    def torchvision_weights(self) -> str | None:
        """What torchvision calls weights of the backbone."""
        return BACKBONE_ROWS[self.backbone].torchvision_weights


DEFAULT_PRIORS = "coco"
DEFAULT_VARIANT = "mb2-ssd-lite"

BACKBONE_ROWS: dict[str, BackboneRow] = {
    row.name: row
    for row in (
        BackboneRow(
            name="vgg16",
            title="VGG16",
            strides={"8": 8, "16": 16},
            scales=True,
            torchvision_weights="VGG16_Weights",
        ),
        BackboneRow(
            name="mobilenet-v1",
            title="MobileNetV1",
            strides={"8": 8, "16": 16, "32": 32},
            scales=True,
        ),
        BackboneRow(
            name="mobilenet-v2",
            title="MobileNetV2",
            strides={"8": 8, "16": 16, "expansion-16": 16, "32": 32, "last-32": 32},
            scales=True,
            torchvision_weights="MobileNet_V2_Weights",
        ),
        *(
            BackboneRow(
                name=f"resnet{depth}",
                title=f"ResNet-{depth}",
                strides={"8": 8, "16": 16, "32": 32},
                scales=True,
                torchvision_weights=f"ResNet{depth}_Weights",
            )
            for depth in (18, 34, 50, 101)
        ),
        BackboneRow(name="darknet19", title="DarkNet19", strides={"8": 8, "16": 16, "32": 32}, scales=True),
        BackboneRow(name="darknet53", title="DarkNet53", strides={"8": 8, "16": 16, "32": 32}, scales=True),
    )
}

VARIANTS: dict[str, Variant] = {
    row.name: row
    for row in (
        Variant(
            name="mb2-ssd-lite",
            title="SSDLite on MobileNetV2: 4.5 M parameters, 0.79 GMAC at 300×300",
            backbone="mobilenet-v2",
            sources=("expansion-16", "last-32"),
            neck="inverted-residual-extras",
            heads="ssd-lite",
            priors={"coco": COCO_MOBILENET, "ancestor": ANCESTOR_MOBILENET},
        ),
    )
}

LATER_VARIANTS = ("mb1-ssd", "mb1-ssd-lite", "sq-ssd-lite", "vgg16-ssd")
"""Nets of the ancestors that are not there yet."""


def find(name: str) -> Variant:
    """The row called ``name``. Raises ValueError with the nearest name and the list of all."""
    if name in VARIANTS:
        return VARIANTS[name]
    if name in LATER_VARIANTS:
        raise ValueError(f"the net {name} is not there yet; what there is: {', '.join(sorted(VARIANTS))}")
    near = difflib.get_close_matches(name, VARIANTS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"no net is called {name!r}: {hint}there is {', '.join(sorted(VARIANTS))}")
