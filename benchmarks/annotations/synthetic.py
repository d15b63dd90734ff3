"""Writes annotation files of COCO 2017's size and shape: 118,287 images and 860,001 annotations, about 450 MB.

The numbers are random, the shape is not: COCO's keys, their order (categories last), polygons of its lengths,
its share of crowd regions and of images without boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from pipeline.miniature.coco_categories import CATEGORIES

TRAIN = (118_287, 860_001)
VAL = (5_000, 36_781)
"""Images and annotations of COCO 2017."""
BLOCK = 10_000
POLYGONS = 4_000


def write_annotations(path: Path, images: int, annotations: int, seed: int = 1, first_id: int = 1) -> int:
    """Writes one ``instances_*.json`` and returns its bytes. The same arguments give the same file."""
    draw = np.random.default_rng(seed)
    sizes = draw.integers(300, 641, (images, 2))
    with path.open("w", encoding="ascii", buffering=1 << 20) as out:
        out.write('{"info": {"description": "synthetic, COCO 2017\'s shape"},"licenses": [],"images": [')
        _write(out, _images(sizes, first_id))
        out.write('],"annotations": [')
        _write(out, _annotations(draw, sizes, annotations, first_id))
        out.write('],"categories": [')
        _write(
            out,
            (
                f'{{"supercategory": "{above}","id": {id_},"name": "{name}"}}'
                for id_, name, above in CATEGORIES
            ),
        )
        out.write("]}")
    return path.stat().st_size


def _write(out: IO[str], elements: Iterator[str]) -> None:
    comma = ""
    for element in elements:
        out.write(comma + element)
        comma = ","


def _images(sizes: np.ndarray, first_id: int) -> Iterator[str]:
    for offset, (width, height) in enumerate(sizes.tolist()):
        name = f"{first_id + offset:012d}.jpg"
        yield (
            f'{{"license": 3,"file_name": "{name}","coco_url": "http://images.cocodataset.org/train2017/{name}",'
            f'"height": {height},"width": {width},"date_captured": "2013-11-14 11:18:45",'
            f'"flickr_url": "http://farm9.staticflickr.com/8186/8119368305_4e622c8349_z.jpg","id": {first_id + offset}}}'
        )


def _annotations(draw: np.random.Generator, sizes: np.ndarray, count: int, first_id: int) -> Iterator[str]:
    polygons = [_polygon(draw) for _ in range(POLYGONS)]
    original = np.array([id_ for id_, _, _ in CATEGORIES])
    with_boxes = max(1, round(len(sizes) * 0.9914))  # 117,266 of 118,287 have boxes
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        image = draw.integers(0, with_boxes, size)
        low = draw.random((size, 2)) * (sizes[image] - 20)
        extent = 5 + draw.random((size, 2)) ** 3 * (sizes[image] - low - 6)
        boxes = np.concatenate([low, extent], axis=1).round(2).tolist()
        labels = original[draw.integers(0, len(original), size)].tolist()
        shapes = draw.integers(0, POLYGONS, size).tolist()
        for row, (box, label, shape, of) in enumerate(
            zip(boxes, labels, shapes, image.tolist(), strict=True)
        ):
            id_ = first_id + start + row
            crowd = int(id_ % 85 == 0)  # COCO: 10,039 of 860,001
            region = (
                '{"counts": [272,2,4,4,4,4,2,9,1,2,16,43],"size": [240,320]}' if crowd else polygons[shape]
            )
            yield (
                f'{{"segmentation": {region},"area": {box[2] * box[3] * 0.6:.4f},"iscrowd": {crowd},'
                f'"image_id": {first_id + of},"bbox": {box},"category_id": {label},"id": {id_}}}'
            )


def _polygon(draw: np.random.Generator) -> str:
    """One or two outlines; lengths so that the whole file comes to COCO's bytes an annotation."""
    outlines = [
        (draw.random(2 * int(np.clip(draw.lognormal(2.95, 0.75), 3, 400))) * 600).round(2).tolist()
        for _ in range(1 + (draw.random() < 0.1))
    ]
    return str(outlines).replace(" ", "")
