"""A small COCO in the form that the index stage leaves, written here from scratch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest


@dataclass(frozen=True)
class Image:
    """One image to write: id, size, and (label, x1, y1, x2, y2, crowd) for each box."""

    image_id: int
    width: int
    height: int
    boxes: Sequence[tuple[int, float, float, float, float, bool]] = field(default_factory=tuple)


def write_coco(root: Path, images: Sequence[Image], split: str = "train", classes: int = 3) -> Path:
    """Images of noise with their arrays; returns ``root``."""
    folder, arrays = root / f"{split}2017", root / "arrays" / f"{split}2017"
    folder.mkdir(parents=True)
    arrays.mkdir(parents=True)
    for image in images:
        noise = np.random.default_rng(image.image_id).integers(0, 256, (image.height, image.width, 3))
        assert cv2.imwrite(str(folder / f"{image.image_id:012d}.png"), noise.astype(np.uint8))
    boxes = [box for image in images for box in image.boxes]
    corners = np.array([box[1:5] for box in boxes], np.float32).reshape(-1, 4)
    columns = {
        "image_ids": np.array([p.image_id for p in images], np.int64),
        "heights": np.array([p.height for p in images], np.int32),
        "widths": np.array([p.width for p in images], np.int32),
        "file_names": np.array([f"{p.image_id:012d}.png".encode() for p in images]),
        "first_box": np.cumsum([0, *(len(p.boxes) for p in images)], dtype=np.int64),
        "boxes_xyxy_px": corners,
        "labels": np.array([box[0] for box in boxes], np.int64),
        "is_crowd": np.array([box[5] for box in boxes], bool),
        "area": (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1]) / 2,
        "annotation_ids": np.arange(len(boxes), dtype=np.int64),
    }
    for name, values in columns.items():
        np.save(arrays / f"{name}.npy", values)
    record = {
        "schema": 1, "split": split, "image_folder": f"{split}2017",
        "counts": {"images": len(images), "boxes": len(boxes)},
        "classes": ["BACKGROUND", *(f"class{n}" for n in range(1, classes))],
        "original_category_ids": [0, *(10 * n for n in range(1, classes))],
        "annotations": "annotations/instances.json", "annotations_sha256": "0" * 64,
        "sha256": {f"{name}.npy": "0" * 64 for name in columns},
    }  # fmt: skip
    (arrays / "arrays.json").write_text(json.dumps(record), encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def small_coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """21 images of sizes from 40 to 120 px: without boxes, with a crowd region, with up to four objects."""
    draw = np.random.default_rng(5)
    images = []
    for number in range(21):
        width, height = draw.integers(40, 121, 2).tolist()
        low = draw.random((number % 5, 2)) * [width - 20, height - 20]
        sides = 5 + draw.random((number % 5, 2)) * 15
        corners = np.concatenate([low, low + sides], axis=1).tolist()
        boxes = [(1 + n % 2, *corner, number == 7 and n == 0) for n, corner in enumerate(corners)]
        images.append(Image(100 + 3 * number, width, height, boxes))
    return write_coco(tmp_path_factory.mktemp("small-coco"), images)
