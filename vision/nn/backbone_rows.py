"""The backbones as data, no torch: which maps each offers, and what torchvision calls its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class BackboneRow:
    """One backbone as data.

    ``strides`` are those of the maps that it offers, by the names that ``Variant.sources`` takes: ``"8"`` is the last map
    of stride 8 as ssds.pytorch takes it; longer names are maps that other detectors take.
    ``torchvision_weights`` is the enum of torchvision that has weights of it.
    """

    name: str
    title: str
    strides: Mapping[str, int] = field(hash=False)
    torchvision_weights: str | None = None


BACKBONE_ROWS: dict[str, BackboneRow] = {
    row.name: row
    for row in (
        BackboneRow(
            name="vgg16",
            title="VGG16",
            strides={"8": 8, "16": 16},
            torchvision_weights="VGG16_Weights",
        ),
        BackboneRow(
            name="mobilenet-v1",
            title="MobileNetV1",
            strides={"8": 8, "16": 16, "32": 32},
        ),
        BackboneRow(
            name="mobilenet-v2",
            title="MobileNetV2",
            strides={"8": 8, "16": 16, "expansion-16": 16, "32": 32, "last-32": 32},
            torchvision_weights="MobileNet_V2_Weights",
        ),
        *(
            BackboneRow(
                name=f"mobilenet-v3-{size}",
                title=f"MobileNetV3 {size}",
                strides={"8": 8, "16": 16, "expansion-16": 16, "32": 32, "last-32": 32, "reduced-32": 32},
                torchvision_weights=f"MobileNet_V3_{size.capitalize()}_Weights",
            )
            for size in ("large", "small")
        ),
        BackboneRow(
            name="squeezenet",
            title="SqueezeNet 1.1",
            strides={"8": 8, "16": 16, "last-16": 16},
            torchvision_weights="SqueezeNet1_1_Weights",
        ),
        *(
            BackboneRow(
                name=f"resnet{depth}",
                title=f"ResNet-{depth}",
                strides={"8": 8, "16": 16, "32": 32},
                torchvision_weights=f"ResNet{depth}_Weights",
            )
            for depth in (18, 34, 50, 101)
        ),
        BackboneRow(name="classroom", title="ObjectDetectionFromScratch's backbone", strides={"4": 4}),
        BackboneRow(name="darknet19", title="DarkNet19", strides={"8": 8, "16": 16, "32": 32}),
        BackboneRow(name="darknet53", title="DarkNet53", strides={"8": 8, "16": 16, "32": 32}),
    )
}
