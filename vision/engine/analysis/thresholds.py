"""Which score threshold to deploy with, and whether scores mean what they say.

A threshold is what detectNet's ``--threshold`` is: a detection counts when its score is the threshold or more.

Legend: as in ``scene.py``; S thresholds, N bins of scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.engine.analysis.matching import Matched
from vision.engine.analysis.scene import Scene

THRESHOLDS = np.arange(1, 100) / 100
"""What a person types: two digits."""
BINS = 10
DEFAULT_THRESHOLD = 0.5
"""detectNet's own, where nothing else can be suggested."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Over all classes at IoU 0.5, at each of ``THRESHOLDS``.

    * precision, recall, f1: (S,) in [0, 1]; precision is NaN where nothing is left
    * best: the threshold with the highest F1 (of equals the highest); ``DEFAULT_THRESHOLD`` where F1 is 0 everywhere
    * best_by_class: (K,) the same for each class alone; NaN where its F1 is 0 everywhere
    * f1_by_class: (K,) at its own threshold
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    best: float
    best_by_class: np.ndarray
    f1_by_class: np.ndarray

    @property
    def at_best(self) -> tuple[float, float, float]:
        """Precision, recall and F1 at ``best``."""
        index = int(np.argmin(np.abs(THRESHOLDS - self.best)))
        return float(self.precision[index]), float(self.recall[index]), float(self.f1[index])


def thresholds(scene: Scene, matched: Matched) -> Thresholds:
    """:param matched: at IoU 0.5"""
    seen = ~matched.ignored
    objects = scene.objects
    score, right, label = scene.score[seen], matched.right[seen], scene.label[seen]
    precision, recall, f1 = _at(score, right, int(objects.sum()))
    best = float(THRESHOLDS[_highest(f1)]) if f1.max() > 0 else DEFAULT_THRESHOLD
    first = np.searchsorted(label, np.arange(len(objects) + 1))
    own, own_f1 = np.full(len(objects), np.nan), np.zeros(len(objects))
    for each in range(len(objects)):
        part = slice(first[each], first[each + 1])
        _, _, curve = _at(score[part], right[part], int(objects[each]))
        own_f1[each] = curve.max()
        if own_f1[each] > 0:
            own[each] = THRESHOLDS[_highest(curve)]
    return Thresholds(precision, recall, f1, best, own, own_f1)


def _at(score: np.ndarray, right: np.ndarray, objects: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    order = np.argsort(-score, kind="stable")
    found = np.concatenate([[0], np.cumsum(right[order])])
    kept = np.searchsorted(-score[order], -THRESHOLDS, "right")
    true = found[kept]
    precision = np.divide(true, kept, out=np.full(len(kept), np.nan), where=kept > 0)
    recall = true / max(objects, 1)
    return precision, recall, 2 * true / np.maximum(kept + objects, 1)


def _highest(values: np.ndarray) -> int:
    """The last position of the maximum."""
    return len(values) - 1 - int(np.argmax(values[::-1]))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Detections by score, in ``BINS`` of equal width.

    * count: (N,); score: (N,) their mean; right: (N,) the share that is right at IoU 0.5; both NaN in an empty bin
    * error: expected calibration error, the mean of \\|score − right\\| over detections; NaN without any
      (Küppers et al., "Multivariate Confidence Calibration for Object Detection", CVPRW 2020, with scores alone)
    """

    count: np.ndarray
    score: np.ndarray
    right: np.ndarray
    error: float


def calibration(scene: Scene, matched: Matched) -> Calibration:
    """:param matched: at IoU 0.5"""
    seen = ~matched.ignored
    score = scene.score[seen]
    place = np.minimum((score * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, score, BINS) / count
        right = np.bincount(place, matched.right[seen], BINS) / count
    total = int(count.sum())
    error = float(np.nansum(np.abs(mean - right) * count) / total) if total else float("nan")
    return Calibration(count, mean, right, error)
