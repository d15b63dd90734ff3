"""All that is said about a set of detections, from one matching."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.engine.analysis.confusion import confusion
from vision.engine.analysis.error_types import ErrorTypes, error_types
from vision.engine.analysis.groups import Group, ImageMistakes, groups, worst_images
from vision.engine.analysis.matching import IOU_THRESHOLDS, Matched, match
from vision.engine.analysis.precision import Precision, draws, interval, mean_defined
from vision.engine.analysis.scene import Scene, scene_of
from vision.engine.analysis.thresholds import Calibration, Thresholds, calibration, thresholds
from vision.engine.evaluation.ground_truth import GroundTruth
from vision.engine.evaluation.results import Results

DRAWS, SEED = 100, 0
"""Of the bootstrap: how often as many images as there are are drawn with replacement, and by which seed."""
WORST = 24


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the report shows. Legend: as in ``scene.py``; R steps of recall.

    * matched: at IoU 0.5
    * ap, ap50: means over classes in [0, 1], NaN without objects; ap_interval, ap50_interval: the middle 95 % of ``DRAWS``
    * ap_by_class, ap50_by_class: (K,), NaN without objects
    * curves: (K, R) precision at IoU 0.5
    * table: (K + 1, K + 1), see ``confusion``
    """

    scene: Scene
    matched: Matched
    ap: float
    ap50: float
    ap_interval: tuple[float, float]
    ap50_interval: tuple[float, float]
    ap_by_class: np.ndarray
    ap50_by_class: np.ndarray
    curves: np.ndarray
    thresholds: Thresholds
    calibration: Calibration
    table: np.ndarray
    errors: ErrorTypes
    groups: tuple[Group, ...]
    worst: tuple[ImageMistakes, ...]


def analyse(results: Results, truth: GroundTruth) -> Analysis:
    """Raises UserError for results of images or classes that ``truth`` does not have."""
    scene = scene_of(results, truth)
    matched, precision = precision_of(scene)
    ap = precision.by_class()
    drawn = [precision.by_class(weights) for weights in draws(len(scene.image_ids), DRAWS, SEED)]
    found = thresholds(scene, matched)
    return Analysis(
        scene=scene, matched=matched, ap=mean_defined(ap), ap50=mean_defined(ap[0]),
        ap_interval=interval(np.array([mean_defined(one) for one in drawn]), mean_defined(ap)),
        ap50_interval=interval(np.array([mean_defined(one[0]) for one in drawn]), mean_defined(ap[0])),
        ap_by_class=ap.mean(axis=0), ap50_by_class=ap[0],
        curves=Precision(scene, [matched], ~scene.is_crowd).curves()[0],
        thresholds=found, calibration=calibration(scene, matched),
        table=confusion(scene, matched, found.best), errors=error_types(scene, matched),
        groups=tuple(groups(scene)), worst=tuple(worst_images(scene, matched, found.best, WORST)),
    )  # fmt: skip


def precision_of(scene: Scene) -> tuple[Matched, Precision]:
    """The matching at IoU 0.5, and average precision at COCO's thresholds."""
    matched = [match(scene, threshold) for threshold in IOU_THRESHOLDS]
    return matched[0], Precision(scene, matched, ~scene.is_crowd)
