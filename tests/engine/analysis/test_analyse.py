"""Matching, thresholds, calibration, confusion, groups and worst images on scenes that can be checked by hand."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from tests.engine.analysis.made import drawn, found, truth_of
from vision.engine.analysis.analyse import analyse
from vision.engine.analysis.confusion import confused, confusion
from vision.engine.analysis.groups import groups, worst_images
from vision.engine.analysis.matching import match
from vision.engine.analysis.scene import scene_of
from vision.engine.analysis.thresholds import THRESHOLDS, calibration, thresholds
from vision.engine.evaluation.results import Results
from vision.messages.advice import UserError

A, B, C = 5, 2, 9
"""Ids of the classes; their positions are 0, 1, 2."""


def test_of_equal_overlaps_the_last_object_is_taken_and_crowds_by_any_number() -> None:
    box, crowd = [0.0, 0, 100, 100], [0.0, 0, 200, 200]
    truth = truth_of([1, 1, 1], [A, A, A], [box, box, crowd], [False, False, True])
    in_crowd = (1, A, [150.0, 150, 50, 50], 1.0)  # takes it before the others have asked for it
    scene = scene_of(found([in_crowd, *((1, A, box, 0.9 - 0.1 * step) for step in range(4))]), truth)
    matched = match(scene, 0.5)
    assert matched.truth.tolist() == [2, 1, 0, 2, 2]
    assert matched.ignored.tolist() == [True, False, False, True, True]


def test_results_of_other_data_are_refused() -> None:
    with pytest.raises(UserError, match="another data set"):
        scene_of(found([(77, A, [0, 0, 9, 9], 0.5)]), truth_of([1], [A], [[0, 0, 9, 9]]))


def test_what_is_not_labelled_is_not_judged() -> None:
    """Images of a data set that does not mark a class: what is found of it there counts neither way."""
    truth = replace(truth_of([1], [A], [[0, 0, 9, 9]]), unlabelled=[([2, 3], [B])])
    rows = [(1, B, [0, 0, 9, 9], 0.5), (2, B, [0, 0, 9, 9], 0.5), (2, A, [0, 0, 9, 9], 0.4)]
    assert scene_of(found(rows), truth).image.tolist() == [1, 0]


@pytest.fixture
def small() -> tuple[Results, object]:
    """Three objects a, one b. Right a at 0.9, 0.6; an a taken for b at 0.7; nothing at 0.8 and 0.2."""
    truth = truth_of(
        [1, 1, 2, 2], [A, A, A, B], [[0, 0, 50, 50], [100, 0, 50, 50], [0, 0, 50, 50], [100, 100, 20, 20]]
    )
    rows = [
        (1, A, [0, 0, 50, 50], 0.9), (1, B, [100, 0, 50, 50], 0.7), (2, A, [0, 0, 50, 50], 0.6),
        (3, A, [0, 0, 50, 50], 0.8), (3, C, [0, 0, 50, 50], 0.2),
    ]  # fmt: skip
    return found(rows), truth


def test_f1_over_the_threshold(small: tuple[Results, object]) -> None:
    scene = scene_of(*small)  # type: ignore[arg-type]
    ways = thresholds(scene, match(scene, 0.5))
    for index, threshold in enumerate(
        THRESHOLDS.tolist()
    ):  # a score that is the threshold is kept, as detectNet does
        kept = scene.score >= threshold
        right = int((kept & match(scene, 0.5).right).sum())
        assert ways.f1[index] == pytest.approx(2 * right / (kept.sum() + 4))
        assert ways.recall[index] == right / 4
    assert ways.best == 0.6 and ways.at_best == pytest.approx((0.5, 0.5, 0.5))
    assert ways.best_by_class[0] == 0.6 and np.isnan(ways.best_by_class[1:]).all()
    nothing = scene_of(Results.empty(), small[1])  # type: ignore[arg-type]
    assert thresholds(nothing, match(nothing, 0.5)).best == 0.5


def test_calibration(small: tuple[Results, object]) -> None:
    scene = scene_of(*small)  # type: ignore[arg-type]
    sure = calibration(scene, match(scene, 0.5))
    assert sure.count.tolist() == [0, 0, 1, 0, 0, 0, 1, 1, 1, 1]
    assert sure.right[[2, 6, 7, 8, 9]].tolist() == [0, 1, 0, 0, 1]
    assert sure.error == pytest.approx((0.2 + 0.4 + 0.7 + 0.8 + 0.1) / 5)


def test_confusion_counts_every_object_and_every_detection_once(small: tuple[Results, object]) -> None:
    scene = scene_of(*small)  # type: ignore[arg-type]
    matched = match(scene, 0.5)
    assert confusion(scene, matched, 0.5).tolist() == [
        [2, 1, 0, 0],  # two a found, one taken for b
        [0, 0, 0, 1],  # the b is missed
        [0, 0, 0, 0],
        [1, 0, 0, 0],  # an a where nothing is; the c has a score of 0.2
    ]
    assert confused(confusion(scene, matched, 0.5), 5) == [(0, 1, 1)]
    results, truth = drawn(3)
    scene = scene_of(results, truth)
    matched = match(scene, 0.5)
    table = confusion(scene, matched, 0.3)
    kept = (scene.score >= 0.3) & ~matched.ignored
    assert table[:-1].sum() == (~truth.is_crowd).sum()
    assert table[:, :-1].sum() == kept.sum() and np.trace(table) == (kept & matched.right).sum()
    assert table[-1, -1] == 0 and (table[:-1, :-1].sum() > np.trace(table))


def test_groups_are_parts_of_the_objects() -> None:
    results, truth = drawn(8)
    parts = list(groups(scene_of(results, truth)))
    objects = int((~truth.is_crowd).sum())
    for by in {part.by for part in parts}:
        assert sum(part.objects for part in parts if part.by == by) == objects, by
    truth = truth_of([1, 1, 2], [A, A, A], [[0, 100, 20, 100], [100, 100, 60, 20], [12, 100, 50, 50]])
    rows = [(1, A, [0, 100, 20, 100], 0.9), (3, A, [100, 100, 60, 20], 0.95), (2, A, [12, 100, 50, 50], 0.5)]
    named = {part.name: (part.objects, part.ap50) for part in groups(scene_of(found(rows), truth))}
    assert named["tall: height over twice the width"] == (1, 1.0), "what is flat and false counts neither way"
    assert named["flat: width over twice the height"] == (1, 0.0)
    assert named["touches it (within 1 px)"] == (1, 1.0)
    assert named["within a tenth of the shorter side"] == (1, 1.0)
    assert named["1 object in the image"] == (1, 1.0)
    assert named["10 or more"][0] == 0 and np.isnan(named["10 or more"][1])


def test_the_worst_images_have_the_most_mistakes(small: tuple[Results, object]) -> None:
    scene = scene_of(*small)  # type: ignore[arg-type]
    worst = worst_images(scene, match(scene, 0.5), 0.5, 24)
    assert [(one.position, one.missed, one.false, one.objects) for one in worst] == [
        (0, 1, 1, 2),
        (1, 1, 0, 2),
        (2, 0, 1, 0),
    ]
    assert worst_images(scene, match(scene, 0.5), 0.5, 1) == worst[:1]


def test_all_of_it_in_little_time() -> None:
    results, truth = drawn(9, images=300, classes=20)
    begun = time.process_time()
    found_ = analyse(results, truth)
    assert (
        time.process_time() - begun < 20
    )  # a second or two; one that goes through pairs in Python takes minutes
    assert found_.ap_interval[0] < found_.ap < found_.ap_interval[1]
    assert found_.errors.ap == pytest.approx(found_.ap50, abs=1e-12)
    assert len(found_.worst) == 24 and found_.curves.shape == (20, 101)
