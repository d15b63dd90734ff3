"""Average precision and curves of precision over recall, also of images that are drawn again (bootstrap).

Source: ``accumulate`` of pycocotools' cocoeval.py: precision made falling from the right, read at 101 steps of recall.

Legend: as in ``scene.py``; T IoU thresholds, R = 101 steps of recall, H right detections.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vision.engine.analysis.matching import Matched
from vision.engine.analysis.scene import Scene

RECALL_STEPS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, slots=True)
class _Hits:
    """What of one matching precision depends on: right detections (H,) and ignored ones, by class, the best first."""

    right: np.ndarray
    label: np.ndarray
    image: np.ndarray
    first: np.ndarray  # (K + 1,) where each class begins among the right ones
    unseen_image: np.ndarray
    unseen_before: np.ndarray  # (H,) how many ignored ones up to each right one
    unseen_first: np.ndarray  # (K,) how many before each class


class Precision:
    """Average precision of any weighting of the images: all alike, or as often as each was drawn.

    :param matched: one for each threshold
    :param counts: (B,) bool, true boxes that are to be found
    """

    def __init__(self, scene: Scene, matched: Sequence[Matched], counts: np.ndarray) -> None:
        self._classes, self._images = len(scene.names), len(scene.image_ids)
        self._image, self._counted = scene.image, counts
        self._true_image, self._true_class = scene.true_image[counts], scene.true_class[counts]
        self._first = np.searchsorted(scene.label, np.arange(self._classes))
        self._hits = [self._hits_of(scene, one) for one in matched]

    def _hits_of(self, scene: Scene, matched: Matched) -> _Hits:
        right, unseen = np.flatnonzero(matched.right), np.flatnonzero(matched.ignored)
        label = scene.label[right]
        return _Hits(
            right, label, scene.image[right], np.searchsorted(label, np.arange(self._classes + 1)),
            scene.image[unseen], np.searchsorted(unseen, right), np.searchsorted(unseen, self._first),
        )  # fmt: skip

    def objects(self, weights: np.ndarray | None = None) -> np.ndarray:
        """(K,) true boxes by class."""
        one = None if weights is None else weights[self._true_image]
        return np.bincount(self._true_class, one, self._classes)

    def by_class(self, weights: np.ndarray | None = None) -> np.ndarray:
        """(T, K) average precision; NaN where a class has no object.

        :param weights: (I,) whole numbers, how often each image counts
        """
        return self.curves(weights).mean(axis=2)

    def curves(self, weights: np.ndarray | None = None) -> np.ndarray:
        """(T, K, R) precision at ``RECALL_STEPS``."""
        weights = np.ones(self._images) if weights is None else weights
        objects = self.objects(weights)
        needed = _needed(objects)
        before = _sums(weights[self._image])
        curves = np.stack([self._curve(hits, weights, before, needed) for hits in self._hits])
        curves[:, objects == 0] = np.nan
        return curves

    def _curve(self, hits: _Hits, weights: np.ndarray, before: np.ndarray, needed: np.ndarray) -> np.ndarray:
        """(K, R): all classes in one row, each one's numbers behind those of the one before."""
        if not len(hits.right):
            return np.zeros(needed.shape)
        found = _sums(weights[hits.image])
        unseen = _sums(weights[hits.unseen_image])
        own = found[1:] - found[hits.first[hits.label]]
        seen = before[hits.right + 1] - before[self._first[hits.label]]
        seen = seen - (unseen[hits.unseen_before] - unseen[hits.unseen_first[hits.label]])
        precision = np.divide(own, seen, out=np.zeros(len(own)), where=seen > 0)
        lift = 2.0 * (
            self._classes - hits.label
        )  # so that the maximum from the right stops where a class ends
        ceiling = np.maximum.accumulate((precision + lift)[::-1])[::-1] - lift
        start, end = hits.first[:-1, None], hits.first[1:, None]
        index = np.maximum(np.searchsorted(found[1:], found[hits.first[:-1], None] + needed), start)
        return np.where(index < end, ceiling[np.minimum(index, len(ceiling) - 1)], 0.0)


def _sums(values: np.ndarray) -> np.ndarray:
    """(N,) → (N + 1,), the sum of all before each."""
    return np.concatenate([[0.0], np.cumsum(values)])


def _needed(objects: np.ndarray) -> np.ndarray:
    """(K, R): how many have to be found for each step of recall, compared as pycocotools does, in float64."""
    most = np.maximum(objects, 1)[:, None]
    needed = np.ceil(RECALL_STEPS * most)
    for less in (1, 1):
        needed = np.where((needed - less) / most >= RECALL_STEPS, needed - less, needed)
    needed = np.where(needed / most < RECALL_STEPS, needed + 1, needed)
    return np.maximum(needed, 0)


def mean_defined(values: np.ndarray) -> float:
    """The mean of what is not NaN; NaN where nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def draws(images: int, times: int, seed: int) -> np.ndarray:
    """(times, I): how often each image is drawn when as many as there are are drawn with replacement."""
    chance = np.full(images, 1 / max(images, 1))
    return np.random.default_rng(seed).multinomial(images, chance, times).astype(np.float64)


def interval(drawn: np.ndarray, measured: float, level: float = 0.95) -> tuple[float, float]:
    """The middle ``level`` of ``drawn``, around ``measured``; NaN where one of them is not defined.

    Images that come twice let average precision come out a little higher (its ceiling is a maximum), so ``drawn`` is moved to
    where its mean is what was measured.
    """
    defined = drawn[~np.isnan(drawn)]
    if not len(defined) or np.isnan(measured):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]) + measured - defined.mean()
    return float(low), float(high)
