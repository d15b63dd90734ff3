"""Photographs as phones store them: pixels turned, EXIF's orientation beside them, and marks painted under the boxes."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

COLOURS = {"red": (230, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 230)}
"""The classes, and what is painted inside their boxes; label i + 1 of the remap is that of the i-th name."""
BOXES = {"red": (4, 6, 10, 8), "green": (30, 8, 12, 20), "blue": (8, 44, 24, 10)}
"""x, y, w, h in px, all of them inside the frame of either kind that is 48 px or more each way."""
_TO_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # fmt: skip


class Photograph(NamedTuple):
    """``labelled``: ``upright``, the boxes as a viewer shows it, or ``stored``, in the frame of the file."""

    name: str
    orientation: int
    labelled: str = "upright"
    size: tuple[int, int] = (48, 64)


PORTRAITS = [Photograph(f"phone {n}.{'jpg' if n % 2 else 'png'}", n) for n in range(1, 9)]


def encoded(photograph: Photograph) -> bytes:
    """The file: painted in the labelled frame, stored as the camera would, tagged."""
    width, height = photograph.size
    pixels = np.full((height, width, 3), 120, np.uint8)
    for name, (x, y, w, h) in BOXES.items():
        pixels[y : y + h, x : x + w] = COLOURS[name]
    image = Image.fromarray(pixels)
    if photograph.labelled == "upright" and photograph.orientation != 1:
        image = image.transpose(_TO_STORED[photograph.orientation])
    exif = Image.Exif()
    exif[0x0112] = photograph.orientation
    data = io.BytesIO()
    image.save(data, "PNG" if photograph.name.endswith("png") else "JPEG", exif=exif, quality=95)
    return data.getvalue()


def document(photographs: Sequence[Photograph]) -> dict[str, object]:
    """COCO's annotations of them: a box around each mark."""
    annotations = [
        {"id": 10 * image + label, "image_id": image, "category_id": 5 * label, "bbox": list(BOXES[name])}
        for image in range(1, len(photographs) + 1)
        for label, name in enumerate(COLOURS, start=1)
    ]
    return {
        "images": [
            {"id": number, "file_name": one.name, "width": one.size[0], "height": one.size[1]}
            for number, one in enumerate(photographs, start=1)
        ],
        "annotations": annotations,
        "categories": [{"id": 5 * label, "name": name} for label, name in enumerate(COLOURS, start=1)],
    }


def make_root(root: Path, **splits: Sequence[Photograph]) -> Path:
    """A data root by hand: images and annotations, nothing of the stages."""
    (root / "annotations").mkdir(parents=True)
    for split, photographs in splits.items():
        folder = root / f"{split}2017"
        folder.mkdir()
        for one in photographs:
            (folder / one.name).write_bytes(encoded(one))
        path = root / f"annotations/instances_{split}2017.json"
        path.write_text(json.dumps(document(photographs)), encoding="utf-8")
    return root
