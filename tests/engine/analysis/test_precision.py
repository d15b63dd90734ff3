"""Average precision beside pycocotools, to the last bits: by class, by area, with crowds and equal scores."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.analysis.made import drawn
from vision.engine.analysis.analyse import precision_of
from vision.engine.analysis.groups import groups
from vision.engine.analysis.precision import Precision, draws, interval, mean_defined
from vision.engine.analysis.scene import scene_of
from vision.engine.evaluation import coco_map
from vision.engine.evaluation.ground_truth import GroundTruth
from vision.engine.evaluation.results import Results


@pytest.mark.parametrize(
    ("seed", "crowds", "unseen"), [(0, 0.0, 0.0), (1, 0.1, 0.1), (2, 0.4, 0.5), (3, 0.1, 1.0)]
)
def test_it_is_that_of_pycocotools(seed: int, crowds: float, unseen: float) -> None:
    results, truth = drawn(seed, crowds=crowds, unseen=unseen)
    scores = coco_map.score(results, truth, "pycocotools")
    scene = scene_of(results, truth)
    found = precision_of(scene)[1].by_class()
    assert mean_defined(found) == pytest.approx(scores.metrics["AP"], abs=1e-12)
    assert mean_defined(found[0]) == pytest.approx(scores.metrics["AP50"], abs=1e-12)
    ours = np.nan_to_num(found.mean(axis=0), nan=-1.0)
    assert ours == pytest.approx([row.ap for row in scores.per_class], abs=1e-12)
    assert -1.0 in ours, "a class without objects is among them"
    sizes = [group for group in groups(scene) if group.by.startswith("size")]
    assert np.nan_to_num([group.ap for group in sizes], nan=-1.0) == pytest.approx(
        [scores.metrics[name] for name in ("APs", "APm", "APl")], abs=1e-12
    )


def test_an_image_of_weight_two_is_that_image_twice() -> None:
    """The bootstrap beside images that are really there as often as they were drawn."""
    results, truth = drawn(4, images=12, ties=False)
    scene = scene_of(results, truth)
    weights = draws(12, 1, seed=7)[0]
    found = precision_of(scene)[1].by_class(weights)
    copies, truths = [], []
    for index, (image_id, times) in enumerate(zip(scene.image_ids, weights, strict=True)):
        for copy in range(int(times)):
            copies.append((1000 * index + copy, results.image_ids == image_id))
            truths.append((1000 * index + copy, truth.box_image_ids == image_id))
    again = Results(
        np.concatenate([np.full(own.sum(), id_) for id_, own in copies]),
        *(np.concatenate([column[own] for _, own in copies]) for column in (results.category_ids, results.boxes_xywh_px, results.scores)),
    )  # fmt: skip
    ids = np.array([id_ for id_, _ in truths])
    twice = GroundTruth(
        ids, np.full(len(ids), 240), np.full(len(ids), 320),
        np.concatenate([np.full(own.sum(), id_) for id_, own in truths]),
        *(np.concatenate([column[own] for _, own in truths]) for column in (truth.category_ids, truth.boxes_xywh_px, truth.area, truth.is_crowd)),
        truth.categories,
    )  # fmt: skip
    expected = precision_of(scene_of(again, twice))[1].by_class()
    assert np.isnan(found).tolist() == np.isnan(expected).tolist()
    # a double is right behind its original, where the weighted count has both at once
    assert np.nan_to_num(found) == pytest.approx(np.nan_to_num(expected), abs=0.02)
    assert mean_defined(found) == pytest.approx(mean_defined(expected), abs=0.005)


def test_what_is_drawn_is_drawn_by_the_seed_and_lies_around_what_was_measured() -> None:
    results, truth = drawn(5)
    scene = scene_of(results, truth)
    _, precision = precision_of(scene)
    drawn_once, again = draws(40, 60, 1), draws(40, 60, 1)
    assert (drawn_once == again).all() and (drawn_once.sum(axis=1) == 40).all()
    assert not (drawn_once == draws(40, 60, 2)).all()
    measured = mean_defined(precision.by_class())
    low, high = interval(np.array([mean_defined(precision.by_class(one)) for one in drawn_once]), measured)
    assert low < measured < high and high - low < 0.3
    assert all(map(np.isnan, interval(np.full(3, np.nan), 0.5)))


def test_nothing_found_and_nothing_there() -> None:
    results, truth = drawn(6)
    scene = scene_of(Results.empty(), truth)
    assert mean_defined(precision_of(scene)[1].by_class()) == 0.0
    nobody = Precision(scene, [], np.zeros(len(scene.true_class), bool))
    assert nobody.objects().sum() == 0
    empty = GroundTruth(
        truth.image_ids, truth.heights, truth.widths, *(np.zeros((0, 4) if name == "boxes_xywh_px" else 0, kind) for name, kind in (
            ("box_image_ids", np.int64), ("category_ids", np.int64), ("boxes_xywh_px", np.float64), ("area", np.float64), ("is_crowd", bool),
        )), truth.categories,
    )  # fmt: skip
    assert np.isnan(mean_defined(precision_of(scene_of(results, empty))[1].by_class()))
