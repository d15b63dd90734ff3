"""The 12 numbers against pycocotools run from files as its users run it, and on cases with known answers."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import train_ssd
from vision.engine.evaluation import coco_map
from vision.engine.evaluation.coco_map import METRICS, UNDEFINED, choose_backend, score
from vision.engine.evaluation.ground_truth import GroundTruth, from_arrays
from vision.engine.evaluation.results import Results, from_xyxy_px, publish_results
from vision.engine.runs import plan as run_plan

CLASSES = ["BACKGROUND", "person", "dog", "toothbrush", "unseen"]
IDS = [0, 1, 18, 90, 91]
BACKENDS = ["pycocotools", "hotcoco"]


def truth(seed: int = 0, images: int = 12) -> GroundTruth:
    """Images of 640 × 480 with 0 to 5 objects of all sizes, some of them crowd regions."""
    draw = np.random.default_rng(seed)
    counts = draw.integers(0, 6, images)
    boxes = int(counts.sum())
    low = draw.random((boxes, 2)) * [400, 300]
    side = draw.choice([15, 50, 200], (boxes, 1)) * (0.5 + draw.random((boxes, 2)) / 2)
    arrays = {
        "image_ids": 100 + 3 * np.arange(images),
        "heights": np.full(images, 480),
        "widths": np.full(images, 640),
        "first_box": np.r_[0, counts.cumsum()],
        "boxes_xyxy_px": np.hstack([low, low + side]).astype(np.float32),
        "labels": draw.integers(1, 4, boxes),
        "is_crowd": draw.random(boxes) < 0.15,
        "area": side.prod(axis=1) * 0.7,
    }
    return from_arrays(arrays, CLASSES, IDS)


def guesses(of: GroundTruth, seed: int = 1) -> Results:
    """True boxes moved about, some of another class, and as many in places where nothing is."""
    draw = np.random.default_rng(seed)
    corners = np.hstack([of.boxes_xywh_px[:, :2], of.boxes_xywh_px[:, :2] + of.boxes_xywh_px[:, 2:]])
    moved = corners + draw.normal(0, 0.06, corners.shape) * of.boxes_xywh_px[:, [2, 3, 2, 3]]
    strange = np.sort(draw.random((len(corners), 2, 2)) * 400, axis=1).reshape(-1, 4)
    categories = np.where(draw.random(len(corners)) < 0.8, of.category_ids, 18)
    return from_xyxy_px(
        np.r_[of.box_image_ids, draw.choice(of.image_ids, len(corners))],
        np.r_[categories, draw.choice(IDS[1:], len(corners))],
        np.vstack([moved, strange]),
        draw.random(2 * len(corners)),
    )


def with_files(folder: Path, of: GroundTruth, results: Results) -> np.ndarray:
    """``COCOeval`` on two files on disk."""
    (folder / "truth.json").write_text(json.dumps(of.to_coco()))
    publish_results(folder / "results.json", results)
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO(str(folder / "truth.json"))
        scorer = COCOeval(ground, ground.loadRes(str(folder / "results.json")), "bbox")
        scorer.evaluate()
        scorer.accumulate()
        scorer.summarize()
    return scorer.stats


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(4))
def test_the_twelve_numbers_are_those_of_the_reference(tmp_path: Path, backend: str, seed: int) -> None:
    of = truth(seed)
    results = guesses(of, seed + 10)
    expected = with_files(tmp_path, of, results)
    found = score(results, of, backend)
    np.testing.assert_allclose([found.metrics[name] for name in METRICS], expected, atol=1e-9)
    assert 0.1 < found.metrics["AP50"] < 0.95  # neither nothing nor everything
    assert (found.backend, found.images, found.detections) == (backend, 12, len(results))
    assert found.boxes == int((~of.is_crowd).sum())


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_table_by_class_is_that_of_the_class_alone(tmp_path: Path, backend: str) -> None:
    """Each row against the reference on the annotations and results of that class only."""
    of = truth(5, 30)
    results = guesses(of)
    found = score(results, of, backend)
    rows, curves = found.per_class, found.curves
    assert [(row.name, row.category_id) for row in rows] == list(zip(CLASSES[1:], IDS[1:], strict=True))
    for row, curve in zip(rows[:3], curves, strict=False):
        assert curve.precision.mean() == pytest.approx(row.ap50) and (np.diff(curve.scores) <= 0).all()
    assert (curves[3].precision == UNDEFINED).all() and len(curves) == len(rows)
    for row in rows[:3]:
        own, its = of.category_ids == row.category_id, results.category_ids == row.category_id
        alone = GroundTruth(
            of.image_ids, of.heights, of.widths, of.box_image_ids[own], of.category_ids[own],
            of.boxes_xywh_px[own], of.area[own], of.is_crowd[own],
            tuple(one for one in of.categories if one["id"] == row.category_id),
        )  # fmt: skip
        part = Results(*(getattr(results, name)[its] for name in Results.__slots__))
        expected = with_files(tmp_path, alone, part)
        np.testing.assert_allclose(
            [row.ap, row.ap50, row.ap75, row.ar100], expected[[0, 1, 2, 8]], atol=1e-9, err_msg=row.name
        )
        assert (row.boxes, row.crowds) == (int((own & ~of.is_crowd).sum()), int((own & of.is_crowd).sum()))
        assert row.detections == int(its.sum())
    assert (rows[3].ap, rows[3].boxes) == (UNDEFINED, 0)


def half_labelled(of: GroundTruth) -> tuple[GroundTruth, GroundTruth]:
    """Without the dogs of the first six images, which are not labelled with them; and of the others alone."""
    first = of.image_ids[:6]
    unlabelled = np.isin(of.box_image_ids, first) & (of.category_ids == 18)
    others = ~np.isin(of.box_image_ids, first)
    return (
        replace(only(of, ~unlabelled), unlabelled=[(first.tolist(), [18])]),
        replace(only(of, others), image_ids=of.image_ids[6:], heights=of.heights[6:], widths=of.widths[6:]),
    )


def only(of: GroundTruth, keep: np.ndarray) -> GroundTruth:
    columns = ("box_image_ids", "category_ids", "boxes_xywh_px", "area", "is_crowd")
    return replace(of, **{name: getattr(of, name)[keep] for name in columns})


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_class_is_scored_on_the_images_that_are_labelled_with_it(backend: str) -> None:
    """As if it had been looked for in these alone; the other classes as ever, and a mean of the scores of all."""
    of = truth(2)
    union, others = half_labelled(of)
    found = guesses(of, 7)
    now, plain = score(found, union, backend), score(found, replace(union, unlabelled=()), backend)
    alone = score(found.only(np.isin(found.image_ids, others.image_ids)), others, backend)
    assert now.per_class[1] == alone.per_class[1] and now.per_class[1].ap > plain.per_class[1].ap
    assert [*now.per_class[:1], *now.per_class[2:]] == [*plain.per_class[:1], *plain.per_class[2:]]
    assert now.metrics["AP"] == pytest.approx(np.mean([row.ap for row in now.per_class if row.boxes]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_perfect_and_empty_answers(backend: str) -> None:
    of = truth(2)
    corners = np.hstack([of.boxes_xywh_px[:, :2], of.boxes_xywh_px[:, :2] + of.boxes_xywh_px[:, 2:]])
    perfect = from_xyxy_px(of.box_image_ids, of.category_ids, corners, np.ones(len(corners)))
    assert score(perfect, of, backend).metrics["AP"] == pytest.approx(1.0)
    nothing = score(Results.empty(), of, backend)
    assert nothing.metrics["AP"] == 0 and nothing.metrics["AR100"] == 0 and nothing.detections == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_labels_in_the_place_of_ids_are_refused(backend: str) -> None:
    """What the ancestors' submission files did: 2 and 3 are labels, and no category ids here."""
    of = truth(3)
    results = guesses(of)
    labels = np.searchsorted(IDS, results.category_ids)
    renumbered = Results(results.image_ids, labels, results.boxes_xywh_px, results.scores)
    with pytest.raises(ValueError, match=r"3 category ids that the ground truth does not have: 2, 3, 4"):
        score(renumbered, of, backend)
    elsewhere = Results(results.image_ids + 1, results.category_ids, results.boxes_xywh_px, results.scores)
    with pytest.raises(ValueError, match=r"image ids?.*another data set or split"):
        score(elsewhere, of, backend)


def test_backends_are_chosen_by_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_backend("auto") == "hotcoco" and choose_backend("pycocotools") == "pycocotools"
    with pytest.raises(ValueError, match="there is auto, pycocotools, hotcoco"):
        choose_backend("fast")

    def lacking(*missing: str) -> None:
        real = __import__("importlib").import_module

        def find(name: str) -> object:
            if name in missing:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return real(name)

        monkeypatch.setattr(coco_map.importlib, "import_module", find)

    lacking("hotcoco")
    assert choose_backend("auto") == "pycocotools"
    with pytest.raises(ImportError, match="No module named 'hotcoco'"):
        choose_backend("hotcoco")
    monkeypatch.undo()
    lacking("hotcoco", "pycocotools")
    with pytest.raises(ImportError, match="No module named 'pycocotools'"):
        choose_backend("auto")


def test_training_looks_for_a_scorer_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_there(wanted: str) -> str:
        raise ModuleNotFoundError("No module named 'pycocotools'", name="pycocotools")

    monkeypatch.setattr(coco_map, "choose_backend", none_there)
    monkeypatch.setattr(run_plan, "settle_feed", lambda plan, device: plan)
    plan: Any = SimpleNamespace(config=SimpleNamespace(validation_map=True))
    nothing: Any = SimpleNamespace(group=None, device=None)
    with pytest.raises(ModuleNotFoundError, match="pycocotools"):
        train_ssd.train_planned(plan, nothing, nothing, nothing)


def test_the_names_are_those_of_what_they_measure() -> None:
    """Small objects all found, medium ones half, large ones not at all: no name can stand for another's number."""
    side = {"s": 20.0, "m": 60.0, "l": 200.0}
    rows = [(kind, number) for kind in side for number in range(4)]
    corners = np.array([[10, 10, 10 + side[kind], 10 + side[kind]] for kind, _ in rows])
    arrays = {
        "image_ids": np.arange(1, 13), "heights": np.full(12, 480), "widths": np.full(12, 640),
        "first_box": np.arange(13), "boxes_xyxy_px": corners, "labels": np.ones(12, np.int64),
        "is_crowd": np.zeros(12, bool), "area": np.array([side[kind] ** 2 for kind, _ in rows]),
    }  # fmt: skip
    of = from_arrays(arrays, CLASSES, IDS)
    found = [i for i, (kind, number) in enumerate(rows) if kind == "s" or (kind == "m" and number < 2)]
    # boxes of IoU 0.79 with their objects, so that AP75 is all and the strictest thresholds nothing
    moved = (
        corners[found] + np.array([0.0, 0.0, 0.0, 1.0]) * (corners[found, 3:] - corners[found, 1:2]) * 0.27
    )
    results = from_xyxy_px(
        arrays["image_ids"][found], np.ones(len(found), np.int64), moved, np.linspace(0.9, 0.4, len(found))
    )
    for backend in BACKENDS:
        numbers = score(results, of, backend).metrics
        assert (
            numbers["ARs"] == pytest.approx(0.6)
            and numbers["ARm"] == pytest.approx(0.3)
            and numbers["ARl"] == 0
        )
        assert numbers["APs"] == pytest.approx(0.6) and 0.25 < numbers["APm"] < 0.35 and numbers["APl"] == 0
        assert numbers["AP50"] == numbers["AP75"] == pytest.approx(51 / 101, abs=0.01) and numbers[
            "AP"
        ] == pytest.approx(0.6 * 51 / 101, abs=0.01)
        assert numbers["AR1"] == numbers["AR10"] == numbers["AR100"] == pytest.approx(0.3)


def crowded() -> tuple[GroundTruth, Results]:
    """Two images with 30 objects each of two classes, all found; scores put most of them behind the tenth place."""
    grid = np.array([[10 + 40 * (i % 6), 10 + 40 * (i // 6)] for i in range(30)], np.float64)
    corners = np.tile(np.hstack([grid, grid + 30]), (2, 1))
    arrays = {
        "image_ids": np.array([3, 8]), "heights": np.full(2, 480), "widths": np.full(2, 640),
        "first_box": np.array([0, 30, 60]), "boxes_xyxy_px": corners, "labels": np.tile([1, 2], 30),
        "is_crowd": np.zeros(60, bool), "area": np.full(60, 900.0),
    }  # fmt: skip
    of = from_arrays(arrays, ["BACKGROUND", "second", "first", "unseen"], [0, 90, 7, 50])
    only = of.category_ids == 7  # of class 90 every second one is found
    only |= np.arange(60) % 4 == 0
    results = from_xyxy_px(
        of.box_image_ids[only], of.category_ids[only], corners[only], np.linspace(0.9, 0.1, int(only.sum()))
    )
    return of, results


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_table_looks_at_a_hundred_detections_and_at_the_right_class(backend: str) -> None:
    """Ids that fall while labels rise: the scorers sort by id, the table goes by label."""
    of, results = crowded()
    rows = score(results, of, backend).per_class
    assert [(row.name, row.category_id) for row in rows] == [("second", 90), ("first", 7), ("unseen", 50)]
    assert rows[1].ap == pytest.approx(1.0) and rows[1].ar100 == pytest.approx(1.0)
    assert rows[0].ar100 == pytest.approx(0.5, abs=0.04) and rows[0].ap == pytest.approx(0.5, abs=0.05)
    assert (rows[0].boxes, rows[1].boxes, rows[2].ap) == (30, 30, UNDEFINED)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_crowd_takes_detections_and_is_never_missed(backend: str) -> None:
    """One object found; a crowd region that is not found, and one that has three detections in it."""
    corners = np.array([[10, 10, 60, 60], [200, 200, 400, 400], [100, 10, 180, 90]], np.float64)
    arrays = {
        "image_ids": np.array([4]), "heights": np.array([480]), "widths": np.array([640]),
        "first_box": np.array([0, 3]), "boxes_xyxy_px": corners, "labels": np.ones(3, np.int64),
        "is_crowd": np.array([False, True, True]), "area": np.full(3, 2500.0),
    }  # fmt: skip
    of = from_arrays(arrays, CLASSES, IDS)
    inside = np.array([[110, 20, 130, 40], [140, 50, 160, 70], [100, 10, 180, 90]], np.float64)
    results = from_xyxy_px(
        np.full(4, 4), np.ones(4, np.int64), np.vstack([inside, corners[:1]]), np.array([0.9, 0.8, 0.7, 0.6])
    )
    found = score(results, of, backend)
    assert (found.metrics["AP"], found.metrics["AR100"]) == (pytest.approx(1.0), pytest.approx(1.0))
    assert (found.per_class[0].boxes, found.per_class[0].crowds, found.boxes) == (1, 2, 1)
