"""Precision over recall of each class at IoU 0.5, as TensorBoard's panel takes it: at evenly spaced score thresholds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from vision.engine.evaluation.coco_map import Scores

THRESHOLDS = 51


def pr_summaries(scores: Scores) -> Iterator[Any]:
    """A ``Summary`` for each class that the split has, by name."""
    from torch.utils.tensorboard.summary import pr_curve_raw

    for row, curve in zip(scores.per_class, scores.curves, strict=True):
        if row.boxes:
            tp, fp, tn, fn, precision, recall = at_thresholds(curve.precision, curve.scores, row.boxes)
            yield pr_curve_raw(f"pr_curves/{row.name}", tp, fp, tn, fn, precision, recall, THRESHOLDS)


def at_thresholds(precision: np.ndarray, scores: np.ndarray, boxes: int) -> np.ndarray:
    """(6, ``THRESHOLDS``): true positives, false positives, true negatives (unknown: 0), false negatives, precision, recall.

    ``precision`` and ``scores`` (R,) are COCO's: at recall 0, 0.01, … 1, and 0 where that is not reached.
    """
    grid = np.linspace(0, 1, THRESHOLDS)
    steps = len(precision) - 1
    reached = (precision > 0) & (scores >= grid[:, None])  # (T, R)
    some = reached.any(axis=1)
    last = np.where(some, steps - reached[:, ::-1].argmax(axis=1), 0)
    recall = np.where(some, last / steps, 0.0)
    exact = np.where(some, precision[last], 1.0)
    hits = recall * boxes
    false = np.where(some, hits / np.maximum(exact, 1e-9) - hits, 0.0)
    return np.stack([hits, false, np.zeros(THRESHOLDS), boxes - hits, exact, recall])
