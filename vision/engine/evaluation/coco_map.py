"""COCO's 12 numbers and a table by class, from the reference implementation or a faster one that equals it.

Legend: T IoU thresholds, R recall steps, K categories, A area ranges (all, small, medium, large), M detection
limits (1, 10, 100).
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vision.engine.evaluation.ground_truth import GroundTruth, ground_truth_of
from vision.engine.evaluation.results import Results
from vision.messages.advice import UserError
from vision.messages.terminal import counted

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
    truth = dataset if isinstance(dataset, GroundTruth) else ground_truth_of(dataset)
    require_known(results, truth)
    results = truth.judged(results)
    name = choose_backend(backend)
    precision, recall, thresholds, stats = _SCORERS[name](results, truth)
    return Scores(
        metrics={key: float(value) for key, value in zip(METRICS, stats, strict=True)},
        per_class=tuple(_class_scores(precision, recall, results, truth)),
        curves=tuple(
            Curve(*(table[_IOU_50, :, k, _ALL_AREAS, _HUNDRED].copy() for table in (precision, thresholds)))
            for k in _positions(truth)
        ),
        backend=name,
        version=importlib.metadata.version(name),
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


def require_known(results: Results, truth: GroundTruth) -> None:
    """Ids that the ground truth does not have would be left out without a word by the scorers."""
    for kind, found, known in (
        ("image", results.image_ids, truth.image_ids),
        ("category", results.category_ids, np.array([row["id"] for row in truth.categories], np.int64)),
    ):
        strange = np.setdiff1d(found, known)
        if len(strange):
            shown = ", ".join(map(str, strange[:5].tolist())) + (" …" if len(strange) > 5 else "")
            raise UserError(
                f"results name {counted(len(strange), f'{kind} id')} that the ground truth does not have: {shown}; "
                "they belong to another data set or split"
            )


# ---------------------------------------------------------------- the scorers

Computed = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""precision (T, R, K, A, M), recall (T, K, A, M), score thresholds as precision, the 12 numbers."""


def _with_pycocotools(results: Results, truth: GroundTruth) -> Computed:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

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
        return _run(COCOeval(ground, found, "bbox"))


def _with_hotcoco(results: Results, truth: GroundTruth) -> Computed:
    import hotcoco

    with _quiet():
        ground = hotcoco.COCO(truth.to_coco())
        return _run(hotcoco.COCOeval(ground, ground.loadRes(results.rows()), "bbox"))


def _run(evaluation: Any) -> Computed:
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    found = evaluation.eval
    return found["precision"], found["recall"], found["scores"], np.asarray(evaluation.stats)


_SCORERS: dict[str, Callable[[Results, GroundTruth], Computed]] = {
    "pycocotools": _with_pycocotools,
    "hotcoco": _with_hotcoco,
}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Both scorers print as they go; what they said is shown when they fail."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            yield
    except Exception:
        sys.stderr.write(said.getvalue())
        raise


# ---------------------------------------------------------------- by class


def _class_scores(
    precision: np.ndarray, recall: np.ndarray, results: Results, truth: GroundTruth
) -> Iterator[ClassScores]:
    """``truth.categories`` in their order."""
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
            detections=int((results.category_ids == id_).sum()),
        )


def _positions(truth: GroundTruth) -> list[int]:
    """Where the scorers' axis K, which is sorted by id, has each of ``truth.categories``."""
    order = {id_: k for k, id_ in enumerate(sorted(row["id"] for row in truth.categories))}
    return [order[row["id"]] for row in truth.categories]


def _defined_mean(values: np.ndarray) -> float:
    """The mean of what is not undefined, as pycocotools' ``summarize`` takes it."""
    defined = values[values > UNDEFINED]
    return float(defined.mean()) if defined.size else UNDEFINED
