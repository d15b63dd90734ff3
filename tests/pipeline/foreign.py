"""One drawn data set in six foreign layouts: coloured boxes on grey noise, so that a detector can learn it and truth is known."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from PIL import Image

COLOURS = {"apple": (220, 40, 40), "pear": (60, 200, 60), "traffic light": (240, 200, 40)}
CLASSES = tuple(COLOURS)
Box = tuple[str, int, int, int, int]
"""Class and x0, y0, x1, y1 in whole px, right and bottom exclusive."""


@dataclass(frozen=True)
class Drawn:
    """One image: name without a suffix, split, width and height, boxes."""

    stem: str
    split: str
    width: int
    height: int
    boxes: tuple[Box, ...]

    @property
    def file(self) -> str:
        return f"{self.stem}.jpg"


def draw(train: int = 6, val: int = 2, seed: int = 0) -> list[Drawn]:
    """Images of several sizes with one to three boxes; the last one of train has none."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(train + val):
        width, height = int(rng.integers(96, 140)), int(rng.integers(80, 120))
        boxes = []
        for _ in range(int(rng.integers(1, 4)) if number != train - 1 else 0):
            w, h = int(rng.integers(16, 48)), int(rng.integers(16, 48))
            x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
            boxes.append((CLASSES[int(rng.integers(0, 3))], x, y, x + w, y + h))
        found.append(
            Drawn(f"photo {number:03}", "train" if number < train else "val", width, height, tuple(boxes))
        )
    return found


def save(image: Drawn, path: Path, seed: int = 0) -> None:
    rng = np.random.default_rng([seed, *image.stem.encode()])
    pixels = rng.integers(90, 130, (image.height, image.width, 3)).astype(np.uint8)
    for name, x0, y0, x1, y1 in image.boxes:
        pixels[y0:y1, x0:x1] = COLOURS[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def as_coco(root: Path, images: Sequence[Drawn]) -> Path:
    """Roboflow's way: a JSON in the folder of each split, category 0 a supercategory."""
    for split, word in (("train", "train"), ("val", "valid")):
        rows: list[dict[str, Any]] = []
        boxes: list[dict[str, Any]] = []
        for number, image in enumerate([image for image in images if image.split == split]):
            save(image, root / word / image.file)
            rows.append({"id": number, "file_name": image.file, "width": image.width, "height": image.height})
            for name, x0, y0, x1, y1 in image.boxes:
                boxes.append({
                    "id": len(boxes), "image_id": number, "category_id": CLASSES.index(name) + 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": 0, "segmentation": [],
                })  # fmt: skip
        categories = [{"id": 0, "name": "fruit", "supercategory": "none"}]
        categories += [
            {"id": id_, "name": name, "supercategory": "fruit"} for id_, name in enumerate(CLASSES, 1)
        ]
        value = {"images": rows, "annotations": boxes, "categories": categories}
        text(root / word / "_annotations.coco.json", json.dumps(value))
    return root


def voc_object(name: str, x0: float, y0: float, x1: float, y1: float, more: str = "") -> str:
    corners = f"<xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
    return f"<object><name>{name}</name>{more}<bndbox>{corners}</bndbox></object>"


def voc_xml(width: int, height: int, objects: str) -> str:
    return f"<annotation><size><width>{width}</width><height>{height}</height><depth>3</depth></size>{objects}</annotation>"


def as_voc(root: Path, images: Sequence[Drawn]) -> Path:
    """Corners from 1 on, both inclusive; ``labels.txt`` of the user's own."""
    for image in images:
        save(image, root / "JPEGImages" / image.file)
        objects = "".join(voc_object(name, x0 + 1, y0 + 1, x1, y1) for name, x0, y0, x1, y1 in image.boxes)
        text(root / "Annotations" / f"{image.stem}.xml", voc_xml(image.width, image.height, objects))
    for split in ("train", "val"):
        names = [image.stem for image in images if image.split == split]
        text(root / "ImageSets" / "Main" / f"{split}.txt", "".join(f"{name}\n" for name in names))
    text(root / "labels.txt", "".join(f"{name}\n" for name in CLASSES))
    return root


def as_yolo(root: Path, images: Sequence[Drawn]) -> Path:
    """Ultralytics' ``images/`` and ``labels/``; every other box is written as an outline."""
    for image in images:
        save(image, root / "images" / image.split / image.file)
        rows = []
        for number, (name, x0, y0, x1, y1) in enumerate(image.boxes):
            w, h = image.width, image.height
            if number % 2:
                values = [x0 / w, y0 / h, x1 / w, y0 / h, x1 / w, y1 / h]
            else:
                values = [(x0 + x1) / 2 / w, (y0 + y1) / 2 / h, (x1 - x0) / w, (y1 - y0) / h]
            rows.append(" ".join([str(CLASSES.index(name)), *map(repr, values)]))
        if rows:
            text(root / "labels" / image.split / f"{image.stem}.txt", "\n".join(rows) + "\n")
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(CLASSES))
    text(root / "data.yaml", f"path: .\ntrain: images/train\nval: images/val\nnames:\n{names}")
    return root


OPEN_IMAGES = (
    "ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax", "IsOccluded", "IsTruncated", "IsGroupOf",
    "IsDepiction", "IsInside", "id", "ClassName",
)  # fmt: skip


def as_open_images(root: Path, images: Sequence[Drawn]) -> Path:
    """What the ancestors' downloader leaves. An image without a row is not part of the data set there."""
    for split, word in (("train", "train"), ("val", "validation")):
        table = root / f"sub-{word}-annotations-bbox.csv"
        table.parent.mkdir(parents=True, exist_ok=True)
        with table.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(OPEN_IMAGES)
            for image in (image for image in images if image.split == split):
                save(image, root / word / image.file)
                for name, x0, y0, x1, y1 in image.boxes:
                    w, h = image.width, image.height
                    rows.writerow(
                        [
                            image.stem,
                            "xclick",
                            f"/m/{CLASSES.index(name)}",
                            1,
                            x0 / w,
                            x1 / w,
                            y0 / h,
                            y1 / h,
                            0,
                            0,
                            0,
                            0,
                            0,
                            "",
                            name,
                        ]
                    )
    return root


def as_cvat(root: Path, images: Sequence[Drawn]) -> Path:
    """CVAT for images 1.1 with subsets; every other box is a polygon."""
    labels = "".join(f"<label><name>{name}</name><attributes/></label>" for name in CLASSES)
    parts = [
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><task><labels>{labels}</labels></task></meta>'
    ]
    for number, image in enumerate(images):
        save(image, root / "images" / image.file)
        parts.append(
            f'<image id="{number}" name={quoteattr(image.file)} subset="{image.split}" width="{image.width}" height="{image.height}">'
        )
        for at, (name, x0, y0, x1, y1) in enumerate(image.boxes):
            if at % 2:
                parts.append(
                    f'<polygon label="{name}" occluded="0" points="{x0},{y0};{x1},{y0};{x1},{y1}" z_order="0"/>'
                )
            else:
                parts.append(
                    f'<box label="{name}" occluded="0" xtl="{x0}.0" ytl="{y0}.0" xbr="{x1}.00" ybr="{y1}.0" z_order="0"></box>'
                )
        parts.append("</image>")
    text(root / "annotations.xml", "".join([*parts, "</annotations>"]))
    return root


def as_labelme(root: Path, images: Sequence[Drawn]) -> Path:
    """A JSON beside each image, in a folder a split."""
    for image in images:
        save(image, root / image.split / image.file)
        shapes = [
            {"label": name, "points": [[x1, y0], [x0, y1]], "shape_type": "rectangle", "flags": {}}
            for name, x0, y0, x1, y1 in image.boxes
        ]
        value: dict[str, Any] = {
            "version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": image.file, "imageData": None,
            "imageHeight": image.height, "imageWidth": image.width,
        }  # fmt: skip
        text(root / image.split / f"{image.stem}.json", json.dumps(value))
    return root


LAYOUTS: dict[str, Callable[[Path, Sequence[Drawn]], Path]] = {
    "coco": as_coco, "voc": as_voc, "yolo": as_yolo, "open_images": as_open_images, "cvat": as_cvat, "labelme": as_labelme,
}  # fmt: skip
