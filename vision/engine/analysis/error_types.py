"""Why detections are wrong and objects are missed, by kind, and the AP that each kind costs: TIDE.

Source: Bolya, Foley, Hays, Hoffman, "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020, section 2,
and its reference implementation for what the paper leaves open: the order in which kinds are asked, that of all
classification and localisation errors at one unfound object the best by score is fixed and the others are removed, and that a
cost below 0 is 0. Here a detection matches as for COCO's AP, and a class without objects is no part of the mean.

Legend: as in ``scene.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.engine.analysis.matching import Matched
from vision.engine.analysis.precision import RECALL_STEPS, mean_defined
from vision.engine.analysis.scene import FOREGROUND, LEAST_IOU, Pairs, Scene

NAMES = ("classification", "localisation", "both", "duplicate", "background", "missed")
SPECIAL = ("false detections", "objects not found")
RIGHT = -1
"""Of a detection in ``ErrorTypes.of_detection`` that is right or counts neither way."""


@dataclass(frozen=True, slots=True)
class ErrorTypes:
    """All kinds at IoU ``FOREGROUND``.

    * of_detection: (D,) int8, position in ``NAMES``, or ``RIGHT``
    * missed: (B,) bool, objects that no detection took and no classification or localisation error is about
    * ap: AP at ``FOREGROUND`` in [0, 1]; NaN without objects
    * counts, cost: by name; cost is the AP that is gained when all of that kind, and nothing else, are fixed
    * special: AP gained without any false detection, and if every object that is not found did not count
    """

    of_detection: np.ndarray
    missed: np.ndarray
    ap: float
    counts: dict[str, int]
    cost: dict[str, float]
    special: dict[str, float]


def error_types(scene: Scene, matched: Matched) -> ErrorTypes:
    """:param matched: at ``FOREGROUND``"""
    kind, about = _kinds(scene, matched)
    used = np.zeros(len(scene.true_class), bool)
    used[matched.truth[matched.right]] = True
    chosen = _fixed(scene, about, used)
    fixable = np.zeros(len(used), bool)
    fixable[about[about >= 0]] = True
    unfound = ~scene.is_crowd & ~used
    missed = unfound & ~fixable
    rows = np.flatnonzero(~matched.ignored)
    score, label, right = scene.score, scene.label, matched.right
    objects = scene.objects

    def mean(keep: np.ndarray, label: np.ndarray, right: np.ndarray, objects: np.ndarray) -> float:
        some = rows[keep[rows]]
        return _mean_ap(scene, label[some], score[some], right[some], objects)

    every = np.ones(len(score), bool)
    ap = mean(every, label, right, objects)
    cost = {}
    for position, name in enumerate(NAMES[:-1]):
        of_kind = kind == position
        fixed = of_kind & chosen
        true_label = np.where(fixed, scene.true_class[about], label) if len(used) else label
        cost[name] = max(0.0, mean(~of_kind | fixed, true_label, right | fixed, objects) - ap)
    gone = np.bincount(scene.true_class[missed], minlength=len(objects))
    cost["missed"] = max(0.0, mean(every, label, right, objects - gone) - ap)
    lost = np.bincount(scene.true_class[unfound], minlength=len(objects))
    special = (mean(right, label, right, objects) - ap, mean(every, label, right, objects - lost) - ap)
    counts = {name: int((kind == position).sum()) for position, name in enumerate(NAMES[:-1])}
    return ErrorTypes(
        kind, missed, ap, {**counts, "missed": int(missed.sum())}, cost, dict(zip(SPECIAL, special, strict=True))
    )  # fmt: skip


def _kinds(scene: Scene, matched: Matched) -> tuple[np.ndarray, np.ndarray]:
    """(D,) the kind of each wrong detection, and the object that a classification or localisation error is about, or −1."""
    pairs = scene.pairs.where(~scene.is_crowd[scene.pairs.truth])
    same = scene.label[pairs.detection] == scene.true_class[pairs.truth]
    used = np.zeros(len(scene.true_class), bool)
    used[matched.truth[matched.right]] = True
    detections = len(scene.score)
    own_iou, own = _best(pairs.where(same), detections)
    other_iou, other = _best(pairs.where(~same), detections)
    taken_iou, _ = _best(pairs.where(same & used[pairs.truth]), detections)
    wrong = ~matched.right & ~matched.ignored
    asked = (
        (other_iou >= FOREGROUND, "classification"),
        (taken_iou >= FOREGROUND, "duplicate"),
        (np.maximum(own_iou, other_iou) <= LEAST_IOU, "background"),
    )
    localised = (own_iou >= LEAST_IOU) & (own_iou <= FOREGROUND)
    kind = np.select(
        [~wrong, localised, *(holds for holds, _ in asked)],
        [RIGHT, NAMES.index("localisation"), *(NAMES.index(name) for _, name in asked)],
        NAMES.index("both"),
    ).astype(np.int8)
    about = np.select(
        [kind == NAMES.index("localisation"), kind == NAMES.index("classification")], [own, other], -1
    )
    if len(used):
        about[(about >= 0) & used[about]] = -1
    return kind, about


def _best(pairs: Pairs, detections: int) -> tuple[np.ndarray, np.ndarray]:
    """(D,) the largest IoU of each detection, 0 without any, and the first true box that has it, or −1."""
    iou, truth = np.zeros(detections), np.full(detections, -1, np.int64)
    order = np.lexsort((pairs.truth, -pairs.iou, pairs.detection))
    rows, first = np.unique(pairs.detection[order], return_index=True)
    iou[rows], truth[rows] = pairs.iou[order][first], pairs.truth[order][first]
    return iou, truth


def _fixed(scene: Scene, about: np.ndarray, used: np.ndarray) -> np.ndarray:
    """(D,) bool: the best detection about each unfound object; the others about it are removed when it is fixed."""
    rows = np.flatnonzero(about >= 0)
    rows = rows[np.argsort(-scene.score[rows], kind="stable")]
    chosen = np.zeros(len(about), bool)
    chosen[rows[np.unique(about[rows], return_index=True)[1]]] = True
    return chosen


def _mean_ap(
    scene: Scene, label: np.ndarray, score: np.ndarray, right: np.ndarray, objects: np.ndarray
) -> float:
    """Mean AP over the classes that have objects or, where all of their objects do not count, detections."""
    order = np.lexsort((-score, label))
    label, right = label[order], right[order]
    ends = np.searchsorted(label, np.arange(len(objects) + 1))
    values = []
    for each in np.flatnonzero(scene.objects > 0).tolist():
        own = right[ends[each] : ends[each + 1]]
        if objects[each] > 0:
            values.append(_ap(own, int(objects[each])))
        elif len(own):
            values.append(0.0)
    return mean_defined(np.array(values, np.float64))


def _ap(right: np.ndarray, objects: int) -> float:
    """Of one class, its detections in the order of their scores."""
    hits = np.flatnonzero(right)
    found = np.arange(1, len(hits) + 1)
    ceiling = np.maximum.accumulate((found / (hits + 1))[::-1])[::-1]
    index = np.searchsorted(found / objects, RECALL_STEPS)
    return float(np.append(ceiling, 0.0)[np.minimum(index, len(hits))].mean())
