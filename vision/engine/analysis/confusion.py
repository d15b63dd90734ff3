"""Which class is taken for which at one score threshold, with background on both sides.

Legend: as in ``scene.py``.
"""

from __future__ import annotations

import numpy as np

from vision.engine.analysis.matching import Matched, serve
from vision.engine.analysis.scene import Pairs, Scene

IOU = 0.5


def confusion(scene: Scene, matched: Matched, threshold: float) -> np.ndarray:
    """(K + 1, K + 1) int64: rows what is there, columns what was said; the last of each is background.

    The diagonal is what AP counts as right at IoU 0.5 with a score of ``threshold`` or more. What is left of detections then
    takes, best first, what is left of objects of other classes with that IoU. Detections left after that are said where
    nothing is (last row), objects left are missed (last column). Detections on crowd regions are left out.

    :param matched: at IoU 0.5
    """
    classes = len(scene.names)
    table = np.zeros((classes + 1, classes + 1), np.int64)
    kept = (scene.score >= threshold) & ~matched.ignored
    right = kept & matched.right
    np.add.at(table, (scene.label[right], scene.label[right]), 1)
    free = ~scene.is_crowd
    free[matched.truth[right]] = False
    left = np.flatnonzero(kept & ~right)
    left = left[np.argsort(-scene.score[left], kind="stable")]
    rank = np.full(len(scene.score), -1, np.int64)
    rank[left] = np.arange(len(left))
    pairs = scene.pairs
    pairs = pairs.where((pairs.iou >= IOU) & free[pairs.truth] & (rank[pairs.detection] >= 0))
    ranked = Pairs(rank[pairs.detection], pairs.truth, pairs.iou)
    taken = serve(ranked.where(np.lexsort((ranked.truth, -ranked.iou, ranked.detection))), ~free, len(left))
    for row, true in zip(left[taken >= 0].tolist(), taken[taken >= 0].tolist(), strict=True):
        table[scene.true_class[true], scene.label[row]] += 1
        free[true] = False
    np.add.at(table[classes], scene.label[left[taken < 0]], 1)
    np.add.at(table[:, classes], scene.true_class[free], 1)
    return table


def confused(table: np.ndarray, most: int) -> list[tuple[int, int, int]]:
    """(there, said, how often) of the ``most`` frequent confusions of two classes, the most frequent first."""
    between = table[:-1, :-1].copy()
    np.fill_diagonal(between, 0)
    flat = between.ravel()
    order = np.argsort(-flat, kind="stable")[:most]
    return [(*divmod(int(index), len(between)), int(flat[index])) for index in order if flat[index]]
