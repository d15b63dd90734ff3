"""How many, how large, of which shape: the numbers of a split out of its arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.statistics.splits import Split
from vision.artefacts.data_layout import LARGE_PX, SMALL_PX

PERCENT = (0, 1, 5, 25, 50, 75, 95, 99, 100)
"""The quantiles that are given, as ``numpy.quantile`` interpolates them (linear)."""


def numbers_of(split: Split) -> dict[str, Any]:
    """All numbers of a split, by the names of docs/artefacts.md; objects are boxes that are no crowd regions."""
    arrays, objects = split.arrays, split.objects
    return {
        "images": len(split),
        "images_without_boxes": int((split.boxes_an_image == 0).sum()),
        "boxes": len(objects),
        "objects": int(objects.sum()),
        "crowd_regions": int((~objects).sum()),
        "sizes": _sizes(arrays["area"][objects].astype(np.float64)),
        "quantiles": {"percent": list(PERCENT), **{k: _quantiles(v) for k, v in _measures(split).items()}},
        "image_sizes": _image_sizes(split),
        "classes": _classes(split),
    }


def _sizes(area: np.ndarray) -> dict[str, int]:
    """COCO's, by the area of the object's mask."""
    small, large = int((area < SMALL_PX).sum()), int((area >= LARGE_PX).sum())
    return {"small": small, "medium": len(area) - small - large, "large": large}


def _measures(split: Split) -> dict[str, np.ndarray]:
    """What quantiles are given of: float64, of each object, then of each image."""
    arrays, of = split.arrays, split.image_of_box[split.objects]
    x0, y0, x1, y1 = arrays["boxes_xyxy_px"][split.objects].astype(np.float64).T
    width, height = x1 - x0, y1 - y0
    image_width, image_height = (arrays[name].astype(np.float64) for name in ("widths", "heights"))
    whole = width * height > 0  # a side may be lost in float32: it has no aspect
    return {
        "width_px": width,
        "height_px": height,
        "side_px": np.sqrt(width * height),
        "share_of_image": width * height / (image_width * image_height)[of],
        "aspect_ratio": width[whole] / height[whole],
        "boxes_an_image": split.boxes_an_image.astype(np.float64),
        "image_width_px": image_width,
        "image_height_px": image_height,
    }


def _quantiles(values: np.ndarray) -> list[float] | None:
    """None where there is nothing to take them of."""
    if not len(values):
        return None
    return [float(f"{one:.6g}") for one in np.quantile(values, np.array(PERCENT) / 100)]


def _image_sizes(split: Split) -> list[dict[str, int]]:
    """Width and height in px with the number of such images, the most frequent first."""
    wh = np.stack([split.arrays["widths"], split.arrays["heights"]], axis=1)
    sizes, counts = np.unique(wh, axis=0, return_counts=True)
    rows = sorted(zip(sizes.tolist(), counts.tolist(), strict=True), key=lambda row: (-row[1], row[0]))
    return [{"width": w, "height": h, "images": count} for (w, h), count in rows]


def _classes(split: Split) -> list[dict[str, Any]]:
    """By label: objects, crowd regions, and the images that have a box of the class."""
    labels, many = split.arrays["labels"], len(split.classes) + 1
    objects = np.bincount(labels[split.objects], minlength=many)
    crowds = np.bincount(labels[~split.objects], minlength=many)
    pairs = np.unique(split.image_of_box * many + labels)
    images = np.bincount(pairs % many, minlength=many)
    return [
        {"label": label, "name": name, "objects": int(objects[label]), "crowd_regions": int(crowds[label]),
         "images": int(images[label])}
        for label, name in enumerate(split.classes, 1)
    ]  # fmt: skip


def few_and_missing(numbers: dict[str, Any], few: int) -> dict[str, Any]:
    """Classes with fewer than ``few`` objects to learn from, those that are measured and not learned, and those that are
    learned and not measured.

    ``numbers``: by split. Where there is no train split, the first one is what is counted.
    """
    learned = "train" if "train" in numbers else next(iter(numbers))
    have = {row["name"]: row["objects"] for row in numbers[learned]["classes"]}
    others: Sequence[str] = [split for split in numbers if split != learned]
    return {
        "split": learned,
        "fewer_than": few,
        "few": [{"name": name, "objects": count} for name, count in have.items() if count < few],
        "only_elsewhere": [
            {"name": row["name"], "split": split, "objects": row["objects"]}
            for split in others for row in numbers[split]["classes"]
            if row["objects"] and not have[row["name"]]
        ],
        "not_measured": [
            {"name": row["name"], "split": split, "objects": have[row["name"]]}
            for split in others for row in numbers[split]["classes"]
            if have[row["name"]] and not row["objects"]
        ],
    }  # fmt: skip
