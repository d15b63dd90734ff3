"""What the tests of this room share: boxes at random, and the annotations of the real pictures."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from vision.core.sample import InputSpec, Sample
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
    """(seed, shape) → boxes (*shape, 4) as corners in [0, 1], sides 2 to 60 % of the picture."""

    def draw(seed: int, *shape: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        size = torch.rand(*shape, 2, generator=generator) * 0.58 + 0.02
        low = torch.rand(*shape, 2, generator=generator) * (1 - size)
        return torch.cat([low, low + size], dim=-1)

    return draw


def _samples(archive: Path, split: str) -> list[Sample]:
    with zipfile.ZipFile(archive) as opened:
        content = json.loads(opened.read(f"annotations/instances_{split}2017.json"))
    samples = []
    for image in content["images"]:
        found = [row for row in content["annotations"] if row["image_id"] == image["id"]]
        boxes = np.array([row["bbox"] for row in found], dtype=np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        samples.append(
            Sample(
                image=np.zeros((image["height"], image["width"], 3), np.uint8),
                boxes_xyxy_px=boxes,
                labels=np.array([row["category_id"] for row in found], dtype=np.int64),
                is_crowd=np.array([row["iscrowd"] for row in found], dtype=bool),
                area=np.array([row["area"] for row in found], dtype=np.float32),
                image_id=image["id"],
                original_hw=(image["height"], image["width"]),
            )
        )
    return samples


@pytest.fixture(scope="session")
def coco_samples(coco_mini: Path) -> dict[str, list[Sample]]:
    """True boxes of real COCO pictures, without the pixels."""
    archive = coco_mini / "annotations" / "annotations_trainval2017.zip"
    return {split: _samples(archive, split) for split in ("train", "val")}
