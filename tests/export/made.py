"""What the tests of this room are made from, also in processes of their own."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from vision.core.sample import InputSpec
from vision.engine.checkpoints.open_detector import LoadedDetector
from vision.export import onnx
from vision.ssd.build import build_detector
from vision.ssd.model import Detector
from vision.ssd.priors.profiles import PriorProfile
from vision.ssd.variants import DEFAULT_PRIORS, Variant, find

CLASSES = ["BACKGROUND", "traffic light", "dog"]
HW = (64, 96)


def _short(whole: Variant) -> Variant:
    profile = whole.priors[DEFAULT_PRIORS]
    return dataclasses.replace(
        whole, sources=("8",), neck="bare-separable-extras", neck_options={"plan": ((1, 256),)},
        priors={DEFAULT_PRIORS: PriorProfile("short", profile.maps[:2])},
    )  # fmt: skip


SHORT = _short(find("mb2-ssd-lite"))
"""The first seven blocks of it and two maps: every kind of layer and a third of the nodes, each of which takes time to convert."""


def make_opened(
    folder: Path, seed: int = 0, channels: int = 3, row: Variant | None = None, width_mult: float = 0.25
) -> LoadedDetector:
    """First weights, no training; heads with larger weights, so that scores and boxes differ from prior to prior."""
    torch.manual_seed(seed)
    detector = build_detector(
        row or SHORT, len(CLASSES), InputSpec(*HW, channels=channels), width_mult
    ).eval()
    for headers in (detector.classification_headers, detector.regression_headers):
        for name, parameter in headers.named_parameters():
            if name.endswith("weight"):
                parameter.data.mul_(8)
    path = folder / "made.pth"
    path.write_bytes(b"stands for the checkpoint")
    checkpoint = SimpleNamespace(classes=CLASSES, args={"datasets": [str(folder / "gone")]}, epoch=0, step=0)
    return LoadedDetector(detector, checkpoint, path, "raw", "made by a test")  # type: ignore[arg-type]


def convert_once(patch: pytest.MonkeyPatch) -> None:
    """Equal layers with equal weights are converted to one opset once: it takes most of the time of an export, and is the same each time."""
    convert, converted = onnx.as_onnx, {}

    def known(detector: Detector, opset: int) -> bytes:
        told = hashlib.sha256(f"{detector} {detector.variant} {detector.input_spec} {opset}".encode())
        for name, tensor in [*detector.state_dict().items(), ("priors", detector.priors_cxcywh)]:
            told.update(name.encode() + tensor.numpy().tobytes())
        key = told.hexdigest()
        if key not in converted:
            converted[key] = convert(detector, opset)
        return converted[key]

    patch.setattr(onnx, "as_onnx", known)
