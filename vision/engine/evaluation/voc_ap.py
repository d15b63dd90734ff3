"""VOC's average precision at IoU 0.5 by class, over 11 points of recall (VOC2007) and over all (VOC2010 on).

Source: VOC devkit, ``VOCevaldet.m`` of 2007 and 2010 with its ``VOCap.m``; Everingham et al., "The Pascal Visual Object
Classes (VOC) Challenge", IJCV 88 (2010), section 4.2.

Legend: G true boxes and D detections of one class, over all images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from vision.engine.evaluation.coco_map import UNDEFINED
from vision.engine.evaluation.ground_truth import GroundTruth, require_known, truth_of
from vision.engine.evaluation.results import Results
from vision.messages.advice import shown

IOU = 0.5
"""``VOCopts.minoverlap``: this overlap is enough."""


@dataclass(frozen=True, slots=True)
class ClassAP:
    """One class; both values are ``UNDEFINED`` where it has no object that counts.

    * ap_11_points, ap_all_points: in [0, 1]
    * boxes, difficult: true boxes that count, and those that count neither way (crowd regions, VOC's difficult)
    * detections: what was found, ignored ones included
    """

    name: str
    category_id: int
    ap_11_points: float
    ap_all_points: float
    boxes: int
    difficult: int
    detections: int


@dataclass(frozen=True, slots=True)
class VocScores:
    """Means over the classes that are defined (``UNDEFINED`` without any), and ``per_class`` by label."""

    mean_ap_11_points: float
    mean_ap_all_points: float
    per_class: tuple[ClassAP, ...]

    def lines(self) -> list[str]:
        """As dusty-nv's trainer ends a validation: 11 points, the classes that have objects."""
        rows = [row for row in self.per_class if row.boxes]
        return [
            "Average Precision Per-class (VOC2007's, at IoU 0.5):",
            *(f"    {shown(row.name)}: {row.ap_11_points:.4f}" for row in rows),
            f"Mean Average Precision (mAP): {_shown(self.mean_ap_11_points)}",
        ]

    def table(self) -> list[str]:
        """Both kinds side by side, the classes that have objects or detections, and the means."""
        rows = [row for row in self.per_class if row.boxes or row.detections]
        width = max((len(shown(row.name)) for row in rows), default=0)
        heads = ("objects", "difficult", "found", "11 points", "all points")
        lines = [
            "Average Precision Per-class (VOC's, at IoU 0.5)",
            " " * width + "".join(f"{head:>12}" for head in heads),
        ]
        for row in rows:
            counts = "".join(f"{number:>12,}" for number in (row.boxes, row.difficult, row.detections))
            lines.append(
                f"{shown(row.name):{width}}{counts}{_shown(row.ap_11_points):>12}{_shown(row.ap_all_points):>12}"
            )
        means = (
            f"{_shown(self.mean_ap_11_points)} over 11 points of recall (VOC2007), "
            f"{_shown(self.mean_ap_all_points)} over all (VOC2010 on)"
        )
        return [*lines, f"Average Precision Across All Classes: {means}"]


def score(results: Results, dataset: Any) -> VocScores:
    """Scores ``results`` against a data set of ``vision.datasets`` or a ``GroundTruth``; crowds are difficult boxes.

    Raises UserError for results of unknown images or categories.
    """
    truth = truth_of(dataset)
    require_known(results, truth)
    results = truth.judged(results)
    rows = tuple(_by_class(results, truth))
    return VocScores(
        _mean([row.ap_11_points for row in rows]), _mean([row.ap_all_points for row in rows]), rows
    )


def _by_class(results: Results, truth: GroundTruth) -> Iterator[ClassAP]:
    for category in truth.categories:
        own, found = truth.category_ids == category["id"], results.category_ids == category["id"]
        difficult = truth.is_crowd[own]
        eleven, every = average_precision(
            truth.box_image_ids[own], _corners(truth.boxes_xywh_px[own]), difficult,
            results.image_ids[found], _corners(results.boxes_xywh_px[found]), results.scores[found],
        )  # fmt: skip
        yield ClassAP(
            name=category["name"], category_id=category["id"], ap_11_points=eleven, ap_all_points=every,
            boxes=int((~difficult).sum()), difficult=int(difficult.sum()), detections=int(found.sum()),
        )  # fmt: skip


def _corners(boxes_xywh: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]], axis=1)


def _mean(values: list[float]) -> float:
    defined = [value for value in values if value != UNDEFINED]
    return sum(defined) / len(defined) if defined else UNDEFINED


def _shown(value: float) -> str:
    return "–" if value == UNDEFINED else f"{value:.4f}"


# ---------------------------------------------------------------- one class, flat arrays


def average_precision(
    true_images: np.ndarray,
    true_xyxy: np.ndarray,
    difficult: np.ndarray,
    images: np.ndarray,
    xyxy: np.ndarray,
    scores: np.ndarray,
    iou_threshold: float = IOU,
) -> tuple[float, float]:
    """Average precision of one class: over 11 points of recall, over all; ``UNDEFINED`` twice without an object.

    * true_images (G,), images (D,): integers, any ids
    * true_xyxy (G, 4), xyxy (D, 4): float, corners in px, continuous (a box is right − left wide: VOC's pixels
      ``xmin``…``xmax``, counted from 1, are ``xmin − 1`` to ``xmax``)
    * difficult: (G,) bool
    * scores: (D,) float; equal ones stay in their order

    Best score first, a detection belongs to the box of its image that it overlaps most (the first of equals). With
    IoU ≥ ``iou_threshold`` it is right if no better detection had that box, else wrong; on a difficult box it counts
    neither way. Recall is compared in whole numbers (the devkit's 3/10 falls short of 0.1 · 3 by rounding).
    """
    objects = int((~difficult).sum())
    if not objects:
        return UNDEFINED, UNDEFINED
    order = np.argsort(-scores, kind="stable")
    iou, box = _most_overlapped(true_images, true_xyxy, images[order], xyxy[order])
    hits = np.flatnonzero(iou >= iou_threshold)
    ignored = hits[difficult[box[hits]]]
    _, first = np.unique(box[hits], return_index=True)
    right = np.zeros(len(order), bool)
    right[hits[first]] = True
    right = np.delete(right, ignored)
    if not len(right):
        return 0.0, 0.0
    found = np.cumsum(right)
    precision = found / np.arange(1, len(right) + 1)
    ceiling = np.maximum.accumulate(precision[::-1])[::-1]  # the best precision at this recall or more
    return _over_11_points(ceiling, found, objects), _over_all_points(ceiling, found, objects)


def _over_11_points(ceiling: np.ndarray, found: np.ndarray, objects: int) -> float:
    """The mean of the ceiling at recall 0, 0.1, … 1; 0 where that recall is not reached."""
    first = np.searchsorted(10 * found, objects * np.arange(11))
    return float(np.append(ceiling, 0.0)[first].mean())


def _over_all_points(ceiling: np.ndarray, found: np.ndarray, objects: int) -> float:
    """The area below the ceiling: each object found is a step of 1 / objects."""
    return float(ceiling[np.diff(found, prepend=0) > 0].sum() / objects)


def _most_overlapped(
    true_images: np.ndarray, true_xyxy: np.ndarray, images: np.ndarray, xyxy: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each detection: the largest IoU (D,), 0 where its image has no box, and the index of that box (D,)."""
    by_image = np.argsort(true_images, kind="stable")
    ranked = true_images[by_image]
    start, end = np.searchsorted(ranked, images, "left"), np.searchsorted(ranked, images, "right")
    count = end - start
    detection = np.repeat(np.arange(len(images)), count)  # one row for each pair in the same image
    offset = np.arange(len(detection)) - np.repeat(np.cumsum(count) - count, count)
    box = by_image[start[detection] + offset]
    overlaps = _iou(xyxy[detection], true_xyxy[box])
    best_first = np.lexsort((offset, -overlaps, detection))
    detections, top = np.unique(detection[best_first], return_index=True)
    iou, chosen = np.zeros(len(images)), np.zeros(len(images), np.int64)
    iou[detections], chosen[detections] = overlaps[best_first[top]], box[best_first[top]]
    return iou, chosen


def _iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N, 4), (N, 4) corners → (N,) float64; 0 where boxes do not meet or have no area."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    common = np.prod(np.maximum(sides, 0.0), axis=1)
    areas = np.prod(one[:, 2:] - one[:, :2], axis=1) + np.prod(other[:, 2:] - other[:, :2], axis=1)
    return np.divide(common, areas - common, out=np.zeros(len(one)), where=common > 0)
