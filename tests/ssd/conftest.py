"""What the tests of this room share: boxes at random, and the annotations of the real images."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from vision.core.sample import InputSpec
from vision.ssd.build import build_detector
from vision.ssd.model import Detector
from vision.ssd.variants import find


@pytest.fixture(scope="session")
def detector() -> Detector:
    """mb2-ssd-lite for 81 classes at 300 × 300, evaluation mode; not to be changed."""
    torch.manual_seed(0)
    return build_detector(find("mb2-ssd-lite"), 81, InputSpec()).eval()


@pytest.fixture
def random_boxes():
    """(seed, shape) → boxes (*shape, 4) as corners in [0, 1], sides 2 to 60 % of the image."""

    def draw(seed: int, *shape: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        size = torch.rand(*shape, 2, generator=generator) * 0.58 + 0.02
        low = torch.rand(*shape, 2, generator=generator) * (1 - size)
        return torch.cat([low, low + size], dim=-1)

    return draw


Boxes = list[tuple[np.ndarray, np.ndarray]]


def _boxes(archive: Path, split: str) -> Boxes:
    """Of each image (G, 4) corners as fractions of it, and (G,) areas of the masks in px²; no crowd regions."""
    with zipfile.ZipFile(archive) as opened:
        content = json.loads(opened.read(f"annotations/instances_{split}2017.json"))
    images = []
    for image in content["images"]:
        own = [row for row in content["annotations"] if row["image_id"] == image["id"] and not row["iscrowd"]]
        boxes = np.array([row["bbox"] for row in own], dtype=np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        side = [image["width"], image["height"]] * 2
        images.append((boxes / side, np.array([row["area"] for row in own])))
    return images


@pytest.fixture(scope="session")
def coco_boxes(coco_mini: Path) -> dict[str, Boxes]:
    """True boxes of real COCO images."""
    archive = coco_mini / "annotations" / "annotations_trainval2017.zip"
    return {split: _boxes(archive, split) for split in ("train", "val")}
