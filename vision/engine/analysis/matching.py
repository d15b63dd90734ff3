"""Which detection takes which true box: COCO's rule, for all images and classes at once.

In the order of their scores, each detection takes the true box that it overlaps most (of equals the last) among those of
its class that are left, if the IoU reaches the threshold. Boxes that do not count (crowd regions, those outside a group) are
taken only where no other is left, and whoever takes one counts neither way. A crowd region can be taken by any number.

Source: ``evaluateImg`` of pycocotools' cocoeval.py. Legend: as in ``scene.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.engine.analysis.scene import Pairs, Scene

IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""COCO's."""


@dataclass(frozen=True, slots=True)
class Matched:
    """At one IoU threshold.

    * truth: (D,) int64, the true box that a detection took; −1 for none
    * ignored: (D,) bool, it counts neither way
    """

    truth: np.ndarray
    ignored: np.ndarray

    @property
    def right(self) -> np.ndarray:
        return (self.truth >= 0) & ~self.ignored


def match(
    scene: Scene,
    iou_threshold: float,
    outside: np.ndarray | None = None,
    detections_outside: np.ndarray | None = None,
) -> Matched:
    """COCO's matching at one threshold, which is ``FOREGROUND`` or more.

    :param outside: (B,) bool, true boxes that do not count beside the crowd regions
    :param detections_outside: (D,) bool, detections that count neither way unless they take a box that counts
    """
    ignored = scene.is_crowd if outside is None else scene.is_crowd | outside
    pairs = scene.own.where(scene.own.iou >= min(iou_threshold, 1 - 1e-10))
    order = np.lexsort((-pairs.truth, -pairs.iou, ignored[pairs.truth], pairs.detection))
    taken = serve(pairs.where(order), scene.is_crowd, len(scene.score))
    unseen = np.zeros(len(taken), bool)
    unseen[taken >= 0] = ignored[taken[taken >= 0]]
    if detections_outside is not None:
        unseen |= (taken < 0) & detections_outside
    return Matched(taken, unseen)


def serve(pairs: Pairs, reusable: np.ndarray, detections: int) -> np.ndarray:
    """(D,) what each detection takes when one after the other takes the first of its pairs that is left; −1 for nothing.

    :param pairs: by detection, those served first first; of each detection, what it wants most first
    :param reusable: (B,) bool, what is left after it is taken

    As many as possible are served at a time: those whose first wish nobody before them has among theirs.
    """
    taken = np.full(detections, -1, np.int64)
    gone = np.zeros(len(reusable), bool)
    detection, truth = pairs.detection, pairs.truth
    while len(detection):
        first = np.diff(detection, prepend=-1) != 0
        asked_first = np.zeros(len(detection), bool)
        asked_first[np.unique(truth, return_index=True)[1]] = True
        served = first & (asked_first | reusable[truth])
        taken[detection[served]] = truth[served]
        gone[truth[served]] = ~reusable[truth[served]]
        left = (taken[detection] < 0) & ~gone[truth]
        detection, truth = detection[left], truth[left]
    return taken
