"""COCO's 12 numbers and a table by class.

Legend: T IoU thresholds, R recall steps, K categories, A area ranges (all, small, medium, large), M detection
limits (1, 10, 100).
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vision.engine.evaluation.backends import SCORERS, Computed
from vision.engine.evaluation.ground_truth import GroundTruth, require_known, truth_of
from vision.engine.evaluation.results import Results
from vision.messages.advice import UserError

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
"""In the order of pycocotools' ``stats``."""
UNDEFINED = -1.0
"""COCO's value of a metric without ground truth, such as APs where no object is small."""
BACKENDS = ("auto", "pycocotools", "hotcoco")
_ALL_AREAS, _HUNDRED = 0, 2  # positions on the axes A and M
_IOU_50, _IOU_75 = 0, 5  # positions on the axis T: 0.50, 0.55, …


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One row of the table by class; ``UNDEFINED`` where the split has no object of the class.

    * boxes, crowds: ground truth objects and crowd regions
    * detections: what was found
    """

    name: str
    category_id: int
    ap: float
    ap50: float
    ap75: float
    ar100: float
    boxes: int
    crowds: int
    detections: int


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision of a class at IoU 0.5, all sizes, 100 detections an image.

    * precision (101,): at recall 0, 0.01, … 1, the best at that recall or a higher one; 0 where it is not reached, ``UNDEFINED``
      without ground truth
    * scores (101,): the threshold with which that recall is reached
    """

    precision: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True, slots=True)
class Scores:
    """What a scorer says.

    * metrics: ``METRICS`` → value in [0, 1], or ``UNDEFINED``
    * per_class, curves: in the order of the labels
    * backend, version: who computed it
    """

    metrics: dict[str, float]
    per_class: tuple[ClassScores, ...]
    backend: str
    version: str
    images: int
    boxes: int
    detections: int
    curves: tuple[Curve, ...] = field(default=(), repr=False, compare=False)


def score(results: Results, dataset: Any, backend: str = "auto") -> Scores:
    """Scores ``results`` against a data set of ``vision.datasets`` or a ``GroundTruth``.

    All images of the ground truth count, also those without detections or boxes; of a class those that are labelled with it. Raises ValueError for results
    of unknown images or categories (their ids are named) and for a backend that is not there.
    """
    truth = truth_of(dataset)
    require_known(results, truth)
    name = choose_backend(backend)
    return as_scores(SCORERS[name](results, truth), results, truth, name)


def as_scores(computed: Computed, results: Results, truth: GroundTruth, backend: str) -> Scores:
    """What ``backend`` computed of ``results``, by name and by class."""
    precision, recall, thresholds, stats = computed
    results = truth.judged(results)
    return Scores(
        metrics={key: float(value) for key, value in zip(METRICS, stats, strict=True)},
        per_class=tuple(_class_scores(precision, recall, results, truth)),
        curves=tuple(
            Curve(*(table[_IOU_50, :, k, _ALL_AREAS, _HUNDRED].copy() for table in (precision, thresholds)))
            for k in _positions(truth)
        ),
        backend=backend,
        version=importlib.metadata.version(backend),
        images=len(truth.image_ids),
        boxes=int((~truth.is_crowd).sum()),
        detections=len(results),
    )


def choose_backend(wanted: str) -> str:
    """``auto`` → the fastest scorer that is installed. Raises ValueError for an unknown one, ImportError without any."""
    if wanted not in BACKENDS:
        raise UserError(f"--coco-backend {wanted}: there is {', '.join(BACKENDS)}")
    if wanted == "auto":
        with contextlib.suppress(ImportError):
            importlib.import_module("hotcoco")
            return "hotcoco"
        wanted = "pycocotools"
    importlib.import_module(wanted)
    return wanted


# ---------------------------------------------------------------- by class


def _class_scores(
    precision: np.ndarray, recall: np.ndarray, results: Results, truth: GroundTruth
) -> Iterator[ClassScores]:
    """``truth.categories`` in their order."""
    by_id = np.sort([row["id"] for row in truth.categories])
    found = np.bincount(np.searchsorted(by_id, results.category_ids), minlength=len(by_id))
    for row, k in zip(truth.categories, _positions(truth), strict=True):
        id_ = row["id"]
        curve = precision[:, :, k, _ALL_AREAS, _HUNDRED]  # (T, R)
        own = truth.category_ids == id_
        yield ClassScores(
            name=row["name"],
            category_id=id_,
            ap=_defined_mean(curve),
            ap50=_defined_mean(curve[_IOU_50]),
            ap75=_defined_mean(curve[_IOU_75]),
            ar100=_defined_mean(recall[:, k, _ALL_AREAS, _HUNDRED]),
            boxes=int((own & ~truth.is_crowd).sum()),
            crowds=int((own & truth.is_crowd).sum()),
            detections=int(found[k]),
        )


def _positions(truth: GroundTruth) -> list[int]:
    """Where the scorers' axis K, which is sorted by id, has each of ``truth.categories``."""
    order = {id_: k for k, id_ in enumerate(sorted(row["id"] for row in truth.categories))}
    return [order[row["id"]] for row in truth.categories]


def _defined_mean(values: np.ndarray) -> float:
    """The mean of what is not undefined, as pycocotools' ``summarize`` takes it."""
    defined = values[values > UNDEFINED]
    return float(defined.mean()) if defined.size else UNDEFINED
