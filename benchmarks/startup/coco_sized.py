"""A data root with the arrays of COCO 2017's size, made in seconds: all images are one file, the boxes are drawn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from benchmarks.annotations.synthetic import TRAIN, VAL
from pipeline.index.arrays import write_arrays
from pipeline.index.columns import Columns
from pipeline.miniature.coco_categories import CATEGORIES
from vision.artefacts.data_layout import arrays_path, image_folder, original_path

WIDTH, HEIGHT = 640, 480
BOXES_AN_IMAGE = TRAIN[1] / TRAIN[0]


def make_root(root: Path, train_images: int = TRAIN[0], val_images: int = VAL[0]) -> Path:
    """Writes ``root`` with COCO's number of boxes an image; returns it. The same arguments give the same files."""
    for split, images, first in (("train", train_images, 1), ("val", val_images, 2_000_000)):
        pixels = np.random.default_rng(first).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
        folder = root / image_folder(split)
        folder.mkdir(parents=True)
        name = f"{first:012d}.jpg"
        cv2.imwrite(str(folder / name), cv2.resize(pixels, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))
        arrays = root / arrays_path(split)
        arrays.mkdir(parents=True)
        write_arrays(columns(split, images, first, name), arrays, original_path(split), "0" * 64)
    return root


def columns(split: str, images: int, first_id: int, name: str) -> Columns:
    """What the index stage would have of them; every image is the file ``name``."""
    draw = np.random.default_rng(first_id)
    ids = np.arange(first_id, first_id + images)
    boxes = round(images * BOXES_AN_IMAGE)
    low = draw.random((boxes, 2)) * (WIDTH - 20, HEIGHT - 20)
    sides = 5 + draw.random((boxes, 2)) ** 3 * ((WIDTH, HEIGHT) - low - 6)
    return Columns(
        split=split,
        categories=[
            {"id": label, "original_id": id_, "name": name_}
            for label, (id_, name_, _) in enumerate(CATEGORIES, start=1)
        ],
        image_ids=ids,
        file_names=[name] * images,
        widths=np.full(images, WIDTH),
        heights=np.full(images, HEIGHT),
        ids=np.arange(1, boxes + 1),
        annotation_image_ids=ids[np.sort(draw.integers(0, images, boxes))],
        labels=draw.integers(1, len(CATEGORIES) + 1, boxes),
        boxes_xywh_px=np.concatenate([low, sides], axis=1),
        area=sides.prod(axis=1) * 0.6,
        is_crowd=draw.random(boxes) < 0.012,
    )
