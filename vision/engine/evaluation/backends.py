"""The two libraries that match detections with true boxes and add up: the reference, and a faster one that equals it to the bit.

Legend: T IoU thresholds, R recall steps, K categories by id, A area ranges (all, small, medium, large), M detection
limits (1, 10, 100).
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from vision.core.sample import ragged_rows
from vision.engine.evaluation.ground_truth import GroundTruth, require_known
from vision.engine.evaluation.results import Results

Computed = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""precision (T, R, K, A, M), recall (T, K, A, M), score thresholds as precision, the 12 numbers."""


def with_pycocotools(results: Results, truth: GroundTruth) -> Computed:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    results = truth.judged(results)
    with _quiet():
        ground = COCO()
        ground.dataset = truth.to_coco()
        ground.createIndex()
        if len(results):
            found = ground.loadRes(results.rows())
        else:  # loadRes([]) raises IndexError
            found = COCO()
            found.dataset = {**truth.to_coco(), "annotations": []}
            found.createIndex()
        evaluation = COCOeval(ground, found, "bbox")
        evaluation.evaluate()
    return _accumulated(evaluation)


def with_hotcoco(results: Results, truth: GroundTruth) -> Computed:
    import hotcoco

    ground = hotcoco.COCO.from_arrays(
        truth.images(), list(truth.categories), truth.box_image_ids, truth.category_ids, truth.boxes_xywh_px,
        area=truth.area, iscrowd=truth.is_crowd,
    )  # fmt: skip
    evaluation = hotcoco.COCOeval(ground, ground.loadRes(truth.judged(results).rows()), "bbox")
    evaluation.evaluate()
    return _accumulated(evaluation)


SCORERS: dict[str, Callable[[Results, GroundTruth], Computed]] = {
    "pycocotools": with_pycocotools,
    "hotcoco": with_hotcoco,
}


class Matches:
    """Detections matched with true boxes by hotcoco, some images at a time and in any order.

    An image is matched by itself, so that what comes out is to the bit what matching all images at once gives. It pickles, with
    all that is matched.
    """

    def __init__(self, truth: GroundTruth) -> None:
        import hotcoco

        by_image = truth.with_images(np.argsort(truth.image_ids))
        self._truth = by_image.with_boxes(np.argsort(truth.box_image_ids, kind="stable"))
        owners, ids = self._truth.box_image_ids, self._truth.image_ids
        self._first_box = np.append(np.searchsorted(owners, ids), len(owners))
        self._seen = np.zeros(len(ids), bool)
        self._matched = hotcoco.StreamingEval(list(truth.categories))

    def add(self, image_ids: np.ndarray, found: Results) -> None:
        """Matches ``found``, all there is in the images ``image_ids`` (N,) int64, each of which comes once.

        Raises UserError for detections in other images, or of categories that the ground truth does not have.
        """
        which = np.searchsorted(self._truth.image_ids, image_ids).clip(max=len(self._seen) - 1)
        own = self._truth.with_images(which).with_boxes(ragged_rows(self._first_box, which)[0])
        require_known(found, own)
        assert np.array_equal(own.image_ids, image_ids), "images of another ground truth"
        assert len(np.unique(which)) == len(which) and not self._seen[which].any(), "an image twice"
        said = own.to_coco()
        self._matched.update(said["images"], said["annotations"], own.judged(found).rows())
        self._seen[which] = True

    def merge(self, others: Iterable[Matches]) -> None:
        """Takes in what ``others`` have matched: shares of several processes, of the same ground truth."""
        every = [self, *others]
        if len(every) == 1:
            return
        assert (np.sum([one._seen for one in every], axis=0) <= 1).all()
        self._matched = type(self._matched).merge(one._matched for one in every)
        self._seen = np.any([one._seen for one in every], axis=0)

    def computed(self) -> Computed:
        """Of all images of the ground truth; where nothing was added, nothing was found. Nothing can be added behind it."""
        self.add(self._truth.image_ids[~self._seen], Results.empty())
        return _accumulated(self._matched.finalize())


def _accumulated(evaluation: Any) -> Computed:
    """Of a ``COCOeval`` of either library that has matched all."""
    with _quiet():
        evaluation.accumulate()
        evaluation.summarize()
    found = evaluation.eval
    return found["precision"], found["recall"], found["scores"], np.asarray(evaluation.stats)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Both libraries print as they go; what they said is shown when they fail."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            yield
    except Exception:
        sys.stderr.write(said.getvalue())
        raise
