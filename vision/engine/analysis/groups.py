"""AP of a part of the objects (small ones, those at the border, …), and the images with the most mistakes.

As COCO does it for area: objects outside a group do not count, and neither does a detection that takes one, nor one that
takes nothing and is outside the group itself. A limit belongs to both of its groups, as COCO's areas do.

Legend: as in ``scene.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vision.engine.analysis.matching import IOU_THRESHOLDS, Matched, match
from vision.engine.analysis.precision import Precision, mean_defined
from vision.engine.analysis.scene import Scene

ENDLESS = float("inf")
Limits = tuple[tuple[str, float, float], ...]
SIZES: Limits = (
    ("small: below 32² px", 0, 32**2),
    ("medium", 32**2, 96**2),
    ("large: 96² px or more", 96**2, ENDLESS),
)
SHAPES: Limits = (
    ("tall: height over twice the width", 0, 0.5), ("upright", 0.5, 1), ("wide", 1, 2),
    ("flat: width over twice the height", 2, ENDLESS),
)  # fmt: skip
CROWDING: Limits = (
    ("1 object in the image", 1, 1),
    ("2 to 4", 2, 4),
    ("5 to 9", 5, 9),
    ("10 or more", 10, ENDLESS),
)
BORDER = ("touches it (within 1 px)", "within a tenth of the shorter side", "farther inside")
TOUCHES_PX, NEAR = 1, 0.1
"""px; a share of the image's shorter side."""


@dataclass(frozen=True, slots=True)
class Group:
    """A part of the objects.

    * by, name: what divides them; what is in this one
    * objects: how many are in it
    * ap, ap50: in [0, 1]; NaN without objects
    """

    by: str
    name: str
    objects: int
    ap: float
    ap50: float


def groups(scene: Scene) -> Iterator[Group]:
    """Every group of every division, in the order of the tables above."""
    in_image = np.bincount(scene.true_image[~scene.is_crowd], minlength=len(scene.image_ids))
    own_area = scene.xywh[:, 2] * scene.xywh[:, 3]
    for by, limits, true, found in (
        ("size (area of the mask)", SIZES, scene.true_area, own_area),
        ("shape (width : height)", SHAPES, _aspect(scene.true_xywh), _aspect(scene.xywh)),
        ("objects in the image", CROWDING, in_image[scene.true_image], in_image[scene.image]),
    ):
        for name, low, high in limits:
            yield _group(scene, by, name, *(~((low <= each) & (each <= high)) for each in (true, found)))
    away = [
        _distance(scene, image, box)
        for image, box in ((scene.true_image, scene.true_xywh), (scene.image, scene.xywh))
    ]
    shorter = [np.minimum(scene.height, scene.width)[image] for image in (scene.true_image, scene.image)]
    for place, name in enumerate(BORDER):
        outside = []
        for distance, side in zip(away, shorter, strict=True):
            where = np.where(distance <= TOUCHES_PX, 0, np.where(distance <= NEAR * side, 1, 2))
            outside.append(where != place)
        yield _group(scene, "distance to the border", name, *outside)


def _aspect(xywh: np.ndarray) -> np.ndarray:
    return xywh[:, 2] / np.maximum(xywh[:, 3], 1e-9)


def _distance(scene: Scene, image: np.ndarray, xywh: np.ndarray) -> np.ndarray:
    """px between a box and the nearest side of its image."""
    right = scene.width[image] - xywh[:, 0] - xywh[:, 2]
    below = scene.height[image] - xywh[:, 1] - xywh[:, 3]
    return np.minimum(xywh[:, :2].min(axis=1, initial=ENDLESS), np.minimum(right, below))


def _group(scene: Scene, by: str, name: str, outside: np.ndarray, detections_outside: np.ndarray) -> Group:
    counts = ~scene.is_crowd & ~outside
    if not counts.any():
        return Group(by, name, 0, float("nan"), float("nan"))
    matched = [match(scene, threshold, outside, detections_outside) for threshold in IOU_THRESHOLDS]
    ap = Precision(scene, matched, counts).by_class()
    return Group(by, name, int(counts.sum()), mean_defined(ap), mean_defined(ap[0]))


@dataclass(frozen=True, slots=True)
class ImageMistakes:
    """Of one image at a score threshold and IoU 0.5: objects that were not found, detections that are wrong, objects."""

    position: int
    missed: int
    false: int
    objects: int


def worst_images(scene: Scene, matched: Matched, threshold: float, most: int) -> list[ImageMistakes]:
    """The images with the most mistakes, objects missed and false detections added up; equal ones by id. None without any.

    :param matched: at IoU 0.5
    """
    images = len(scene.image_ids)
    kept = (scene.score >= threshold) & ~matched.ignored
    right = kept & matched.right
    false = np.bincount(scene.image[kept & ~right], minlength=images)
    objects = np.bincount(scene.true_image[~scene.is_crowd], minlength=images)
    missed = objects - np.bincount(scene.image[right], minlength=images)
    order = np.argsort(-(missed + false), kind="stable")[:most].tolist()
    return [
        ImageMistakes(each, int(missed[each]), int(false[each]), int(objects[each]))
        for each in order
        if missed[each] + false[each]
    ]
