"""Boxes that are probably slips of whoever drew them; for a look, since each of these shapes can be right.

Crowd regions are left out: they are drawn over groups and are large, thin and repeated by purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.stage import StageError
from pipeline.statistics.splits import Split
from vision.artefacts.data_layout import LISTING
from vision.artefacts.log import read
from vision.artefacts.records import RecordError
from vision.messages.advice import command, shown

EDGE_PX = 1.0
"""So near to an edge a box touches it."""
THIN_PX = 1.0
EXTREME_ASPECT = 20.0
SAME_IOU = 0.95

WORDS = {
    "whole_image": f"touches all four edges of its image (within {EDGE_PX:g} px)",
    "one_pixel": f"a side of at most {THIN_PX:g} px",
    "extreme_aspect": f"one side more than {EXTREME_ASPECT:g} times the other, and none of one pixel",
    "doubled": f"another box of its class and image has an IoU of more than {SAME_IOU}",
    "outside": "left its image: clipped or dropped by remap_categories",
}
OUTSIDE = ("box_clipped", "box_outside")
"""Codes of the listing."""


def suspicions_of(split: Split) -> dict[str, list[dict[str, Any]]]:
    """By kind the rows of the boxes, in the order of the arrays; ``doubled`` names the other annotation in ``same_as``."""
    found = {kind: [split.box_row(box) for box in _boxes(split, test)] for kind, test in _TESTS.items()}
    ids = split.arrays["annotation_ids"]
    found["doubled"] = [
        split.box_row(second) | {"same_as": int(ids[first])} for first, second in doubled(split)
    ]
    return found


def _boxes(split: Split, test: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> list[int]:
    boxes = split.arrays["boxes_xyxy_px"].astype(np.float64)
    wh = np.stack([split.arrays["widths"], split.arrays["heights"]], axis=1)[split.image_of_box]
    found: list[int] = np.flatnonzero(test(boxes, wh) & split.objects).tolist()
    return found


def _whole_image(boxes: np.ndarray, wh: np.ndarray) -> np.ndarray:
    inside = (boxes[:, :2] > EDGE_PX) | (boxes[:, 2:] < wh - EDGE_PX)
    return np.asarray(~inside.any(axis=1))


def _one_pixel(boxes: np.ndarray, _wh: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) <= THIN_PX


def _extreme_aspect(boxes: np.ndarray, wh: np.ndarray) -> np.ndarray:
    sides = boxes[:, 2:] - boxes[:, :2]
    return ~_one_pixel(boxes, wh) & (
        sides.max(axis=1, initial=0) > EXTREME_ASPECT * sides.min(axis=1, initial=np.inf)
    )


_TESTS = {"whole_image": _whole_image, "one_pixel": _one_pixel, "extreme_aspect": _extreme_aspect}
"""(B, 4) float64 boxes as corners in px, (B, 2) sizes of their images → (B,) bool."""


def doubled(split: Split) -> list[tuple[int, int]]:
    """(first, second) places of objects of one image and class with an IoU above SAME_IOU; each is second once at most.

    In order of the left edge (then of the others) the two are near each other: an IoU above t means that left edges are
    less than 1 − t of the width apart. So all boxes at once meet the next one, the one behind it, … until none is near. A
    box with the very same one behind it leaves the rest to that one: a thousand copies are a thousand steps, not a million.
    """
    places = np.flatnonzero(split.objects)
    boxes = split.arrays["boxes_xyxy_px"][places].astype(np.float64)
    labels, images = split.arrays["labels"][places], split.image_of_box[places]
    order = np.lexsort((places, *boxes.T[::-1], labels, images))
    boxes, places = boxes[order], places[order]
    group = images[order] * (len(split.classes) + 1) + labels[order]
    reach = boxes[:, 0] + (boxes[:, 2] - boxes[:, 0]) * (1 - SAME_IOU)
    found: dict[int, int] = {}
    firsts, lag = np.arange(len(places)), 0
    while len(firsts):
        lag += 1
        firsts = firsts[firsts + lag < len(places)]
        firsts = firsts[(group[firsts] == group[firsts + lag]) & (boxes[firsts + lag, 0] <= reach[firsts])]
        overlap = iou(boxes[firsts], boxes[firsts + lag])
        for first in firsts[overlap > SAME_IOU].tolist():
            found.setdefault(int(places[first + lag]), int(places[first]))
        firsts = firsts[overlap < 1]
    return sorted((first, second) for second, first in found.items())


def iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N,) of (N, 4) corners each; 0 where both are empty."""
    low, high = np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])
    both = np.clip(high - low, 0, None).prod(axis=1)
    areas = [(each[:, 2:] - each[:, :2]).prod(axis=1) for each in (one, other)]
    whole = areas[0] + areas[1] - both
    return np.divide(both, whole, out=np.zeros_like(both), where=whole > 0)


def outside_of(root: Path, splits: list[str]) -> list[dict[str, Any]] | None:
    """What left its image, by the listing of remap_categories, whose ids are as they were annotated; None without it."""
    path = root / LISTING
    if not path.is_file():
        return None
    return [
        {name: row.get(name) for name in ("split", "image_id", "annotation_id", "detail")}
        for row in _listed(path)
        if row.get("reason") in OUTSIDE and row.get("split") in splits
    ]


def _listed(path: Path) -> Iterator[dict[str, Any]]:
    try:
        for row in read(path):
            yield row | {"annotation_id": row.get("id")}
    except RecordError as error:
        again = command("python -m pipeline.remap_categories", "--root", path.parents[1], "--force")
        raise StageError(f"{shown(path)} is damaged", str(error), f"make it again: {again}") from error
