"""Boxes and detections of COCO val2017's number, drawn by a seed: 5,000 images, 36,781 boxes, 100 detections an image."""

from __future__ import annotations

import numpy as np

from pipeline.miniature.coco_categories import CATEGORIES
from vision.engine.evaluation.ground_truth import GroundTruth
from vision.engine.evaluation.results import Results, from_xyxy_px

BOXES_AN_IMAGE = 36_781 / 5_000
DETECTIONS = 100
CROWD_SHARE = 0.012
FOUND_SHARE = 0.15
"""Of the detections, those that are near a box of their class; the others are anywhere."""


def a_split(images: int, seed: int = 0) -> tuple[GroundTruth, Results]:
    """The true boxes of ``images`` images and what a middling detector might find there."""
    draw = np.random.default_rng(seed)
    sizes = draw.integers(300, 641, (images, 2))  # width, height
    originals = np.array([id_ for id_, _, _ in CATEGORIES])
    of = np.sort(draw.integers(0, images, round(images * BOXES_AN_IMAGE)))
    corners = _boxes(draw, sizes[of])
    sides = corners[:, 2:] - corners[:, :2]
    truth = GroundTruth(
        image_ids=np.arange(1, images + 1),
        heights=sizes[:, 1],
        widths=sizes[:, 0],
        box_image_ids=of + 1,
        category_ids=originals[draw.integers(0, len(originals), len(of))],
        boxes_xywh_px=np.concatenate([corners[:, :2], sides], axis=1),
        area=sides.prod(axis=1) * 0.6,
        is_crowd=draw.random(len(of)) < CROWD_SHARE,
        categories=tuple({"id": id_, "name": name} for id_, name, _ in CATEGORIES),
    )
    return truth, _found(draw, truth, corners, sizes, originals)


def _boxes(draw: np.random.Generator, sizes: np.ndarray) -> np.ndarray:
    """(B, 4) corners in px inside images of ``sizes`` (B, 2); small ones are the most."""
    low = draw.random((len(sizes), 2)) * (sizes - 20)
    return np.concatenate([low, low + 5 + draw.random((len(sizes), 2)) ** 3 * (sizes - low - 6)], axis=1)


def _found(
    draw: np.random.Generator,
    truth: GroundTruth,
    corners: np.ndarray,
    sizes: np.ndarray,
    originals: np.ndarray,
) -> Results:
    images = len(truth.image_ids)
    image = np.repeat(np.arange(images), DETECTIONS)
    boxes = _boxes(draw, sizes[image])
    categories = originals[draw.integers(0, len(originals), len(image))]
    scores = draw.random(len(image)) ** 4
    # some lie near a box of their own image, and have its class
    first = np.searchsorted(truth.box_image_ids, np.arange(1, images + 2))
    count = np.diff(first)[image]
    near = (draw.random(len(image)) < FOUND_SHARE) & (count > 0)
    box = first[image[near]] + (draw.random(int(near.sum())) * count[near]).astype(np.int64)
    sides = np.tile(corners[box, 2:] - corners[box, :2], 2)
    boxes[near] = corners[box] + draw.normal(0, 0.06, (len(box), 4)) * sides
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    categories[near] = truth.category_ids[box]
    scores[near] = scores[near] ** 0.5
    return from_xyxy_px(image + 1, categories, boxes, scores)
