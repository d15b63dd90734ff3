"""What was found and what is there, as flat arrays, and the pairs of a detection and a true box that overlap.

Legend: I images, K classes, B true boxes, D detections, P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.engine.evaluation.ground_truth import GroundTruth, require_known
from vision.engine.evaluation.results import Results

MOST_DETECTIONS = 100
"""Of an image and class, the best by score: COCO's ``maxDets``."""
FOREGROUND, LEAST_IOU = 0.5, 0.1
"""The least IoU at which a detection can be right, and that of a pair that is looked at at all: TIDE's two thresholds."""
PAIRS_AT_A_TIME = 1 << 20


@dataclass(frozen=True, slots=True)
class Pairs:
    """Detections and true boxes of one image with an IoU of ``LEAST_IOU`` or more, by detection.

    * detection, truth: (P,) int64, rows of the scene
    * iou: (P,) float64; with a crowd region the part of the detection inside it, as COCO has it
    """

    detection: np.ndarray
    truth: np.ndarray
    iou: np.ndarray

    def where(self, chosen: np.ndarray) -> Pairs:
        return Pairs(self.detection[chosen], self.truth[chosen], self.iou[chosen])


@dataclass(frozen=True, slots=True)
class Scene:
    """Images and classes are counted from 0, in the order of ``image_ids`` (rising) and ``names`` (by label, no background).

    * image_ids: (I,) int64; height, width: (I,) px
    * true_image, true_class: (B,) int64; true_xywh: (B, 4) px; true_area: (B,) px² of the mask; is_crowd: (B,) bool
    * image, label: (D,) int64; xywh: (D, 4) px; score: (D,) in [0, 1]; rows by class, then the best score first
    * pairs: all that overlap; own: those of one class with an IoU of ``FOREGROUND`` or more
    """

    names: tuple[str, ...]
    image_ids: np.ndarray
    height: np.ndarray
    width: np.ndarray
    true_image: np.ndarray
    true_class: np.ndarray
    true_xywh: np.ndarray
    true_area: np.ndarray
    is_crowd: np.ndarray
    image: np.ndarray
    label: np.ndarray
    xywh: np.ndarray
    score: np.ndarray
    pairs: Pairs
    own: Pairs

    @property
    def objects(self) -> np.ndarray:
        """(K,) int64: true boxes by class, crowd regions not counted."""
        return np.bincount(self.true_class[~self.is_crowd], minlength=len(self.names))


def scene_of(results: Results, truth: GroundTruth) -> Scene:
    """Raises UserError for results of images or classes that ``truth`` does not have."""
    require_known(results, truth)
    results = truth.judged(results)
    by_id = np.argsort(truth.image_ids, kind="stable")
    image_ids = truth.image_ids[by_id]
    ids = np.array([row["id"] for row in truth.categories], np.int64)
    true_image = np.searchsorted(image_ids, truth.box_image_ids)
    image = np.searchsorted(image_ids, results.image_ids)
    label = _positions(ids, results.category_ids)
    order = _ranked(image, label, results.scores)
    image, label = image[order], label[order]
    xywh = results.boxes_xywh_px[order]
    true_class = _positions(ids, truth.category_ids)
    pairs = _pairs(image, xywh, true_image, truth.boxes_xywh_px, truth.is_crowd)
    same = label[pairs.detection] == true_class[pairs.truth]
    return Scene(
        names=tuple(str(row["name"]) for row in truth.categories),
        image_ids=image_ids, height=truth.heights[by_id], width=truth.widths[by_id],
        true_image=true_image, true_class=true_class,
        true_xywh=truth.boxes_xywh_px, true_area=truth.area, is_crowd=truth.is_crowd,
        image=image, label=label, xywh=xywh, score=results.scores[order],
        pairs=pairs, own=pairs.where(same & (pairs.iou >= FOREGROUND)),
    )  # fmt: skip


def _positions(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    order = np.argsort(ids)
    return order[np.searchsorted(ids, wanted, sorter=order)] if len(ids) else np.zeros(0, np.int64)


def _ranked(image: np.ndarray, label: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Rows by class and score, equal ones by image; of an image and class only the best ``MOST_DETECTIONS``."""
    order = np.lexsort((-score, image, label))  # stable: equal scores of an image in their own order
    group = label[order] * (image.max(initial=0) + 1) + image[order]
    first = np.flatnonzero(np.diff(group, prepend=-1))
    place = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    order = order[place < MOST_DETECTIONS]
    return order[np.lexsort((-score[order], label[order]))]


def _pairs(
    image: np.ndarray, xywh: np.ndarray, true_image: np.ndarray, true_xywh: np.ndarray, is_crowd: np.ndarray
) -> Pairs:
    """All pairs of an image, some images at a time, of which those that overlap are kept."""
    by_image = np.argsort(true_image, kind="stable")
    ranked = true_image[by_image]
    start = np.searchsorted(ranked, image, "left")
    count = np.searchsorted(ranked, image, "right") - start
    done = np.cumsum(count)
    parts = []
    first = 0
    while first < len(image):
        base = done[first - 1] if first else 0
        end = max(first + 1, int(np.searchsorted(done, base + PAIRS_AT_A_TIME, "right")))
        some = count[first:end]
        detection = np.repeat(np.arange(first, end), some)
        offset = np.arange(len(detection)) - np.repeat(np.cumsum(some) - some, some)
        truth = by_image[start[detection] + offset]
        iou = box_iou(xywh[detection], true_xywh[truth], is_crowd[truth])
        near = iou >= LEAST_IOU
        parts.append((detection[near], truth[near], iou[near]))
        first = end
    if not parts:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    detections, truths, overlaps = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Pairs(detections, truths, overlaps)


def box_iou(found: np.ndarray, true: np.ndarray, is_crowd: np.ndarray) -> np.ndarray:
    """(N, 4), (N, 4) corner and size → (N,) float64, with pycocotools' arithmetic (``bbIou`` of maskApi.c)."""
    sides = np.minimum(found[:, :2] + found[:, 2:], true[:, :2] + true[:, 2:]) - np.maximum(
        found[:, :2], true[:, :2]
    )
    common = np.where((sides > 0).all(axis=1), sides[:, 0] * sides[:, 1], 0.0)
    own = found[:, 2] * found[:, 3]
    union = np.where(is_crowd, own, own + true[:, 2] * true[:, 3] - common)
    return np.divide(common, union, out=np.zeros(len(common)), where=common > 0)
