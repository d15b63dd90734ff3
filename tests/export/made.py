"""What the tests of this room are made from, also in processes of their own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import torch

from vision.core.sample import InputSpec
from vision.engine.checkpoints.open_detector import LoadedDetector
from vision.ssd.build import build_detector
from vision.ssd.variants import find

CLASSES = ["BACKGROUND", "traffic light", "dog"]
HW = (64, 96)


def make_opened(folder: Path, seed: int = 0) -> LoadedDetector:
    """First weights, no training; heads with larger weights, so that scores and boxes differ from prior to prior."""
    torch.manual_seed(seed)
    detector = build_detector(find("mb2-ssd-lite"), len(CLASSES), InputSpec(*HW), 0.25).eval()
    for headers in (detector.classification_headers, detector.regression_headers):
        for name, parameter in headers.named_parameters():
            if name.endswith("weight"):
                parameter.data.mul_(8)
    path = folder / "made.pth"
    path.write_bytes(b"stands for the checkpoint")
    checkpoint = SimpleNamespace(classes=CLASSES, args={"datasets": [str(folder / "gone")]}, epoch=0, step=0)
    return LoadedDetector(detector, checkpoint, path, "raw", "made by a test")  # type: ignore[arg-type]
