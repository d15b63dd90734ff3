"""VOC's average precision against a literal reading of the devkit, with exact fractions, and by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.engine.evaluation.test_coco_map import IDS, guesses, half_labelled, truth
from vision.engine.evaluation import coco_map, voc_ap
from vision.engine.evaluation.results import Results
from vision.engine.evaluation.voc_ap import UNDEFINED, average_precision


def devkit(
    true_images: np.ndarray, true_xyxy: np.ndarray, difficult: np.ndarray, images: np.ndarray, xyxy: np.ndarray,
    scores: np.ndarray,
) -> tuple[float, float]:  # fmt: skip
    """VOCevaldet.m line by line, one detection after the other; whole pixels, so that all of it is exact."""
    used = [False] * len(true_xyxy)
    right, wrong = 0, 0
    curve: list[tuple[Fraction, Fraction]] = []
    objects = sum(not one for one in difficult)
    for d in sorted(range(len(scores)), key=lambda d: -scores[d]):
        most, which = Fraction(-1), -1
        for g in range(len(true_xyxy)):
            if true_images[g] != images[d]:
                continue
            overlap = overlap_of([int(v) for v in xyxy[d]], [int(v) for v in true_xyxy[g]])
            if overlap > most:
                most, which = overlap, g
        if most < Fraction(1, 2):
            wrong += 1
        elif not difficult[which]:
            right, wrong = (right, wrong + 1) if used[which] else (right + 1, wrong)
            used[which] = True
        if right + wrong:
            curve.append((Fraction(right, objects), Fraction(right, right + wrong)))
    eleven = sum(max([p for r, p in curve if r >= Fraction(t, 10)], default=Fraction(0)) for t in range(11))
    recall = [Fraction(0), *(r for r, _ in curve), Fraction(1)]
    precision = [Fraction(0), *(p for _, p in curve), Fraction(0)]
    for i in reversed(range(len(precision) - 1)):
        precision[i] = max(precision[i], precision[i + 1])
    every = sum((recall[i] - recall[i - 1]) * precision[i] for i in range(1, len(recall)))
    return float(Fraction(eleven, 11)), float(every)


def overlap_of(one: Sequence[int], other: Sequence[int]) -> Fraction:
    wide, high = (min(one[2 + a], other[2 + a]) - max(one[a], other[a]) for a in (0, 1))
    if wide <= 0 or high <= 0:
        return Fraction(0)
    area = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return Fraction(wide * high, area - wide * high)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Crowded images, boxes on a coarse grid (equal and half overlaps happen), few different scores."""
    draw = np.random.default_rng(seed)
    count, found = int(draw.integers(1, 12)), int(draw.integers(0, 40))

    def boxes(n: int) -> np.ndarray:
        low = draw.integers(0, 5, (n, 2))
        return np.hstack([low, low + draw.integers(1, 5, (n, 2))]).astype(float)

    difficult = draw.random(count) < 0.25
    difficult[0] = False
    guessed = np.vstack([boxes(found), boxes(count)])
    near = draw.integers(0, count, len(guessed))
    true_images, true_boxes = draw.integers(7, 10, count), boxes(count)
    hit = draw.random(len(guessed)) < 0.6
    guessed[hit] = true_boxes[near[hit]]
    images = np.where(hit, true_images[near], draw.integers(7, 12, len(guessed)))
    return (
        true_images,
        true_boxes,
        difficult,
        images,
        guessed,
        draw.integers(1, 10, len(guessed)) / 10,
    )


def test_it_is_the_devkits_on_many_drawn_sets() -> None:
    seen = []
    for seed in range(250):
        case = drawn(seed)
        found = average_precision(*case)
        assert found == pytest.approx(devkit(*case), abs=1e-12), seed
        seen.append(found)
    eleven, every = np.array(seen).T
    assert 0.2 < every.mean() < 0.8 and (np.abs(eleven - every) > 0.01).mean() > 0.4


BOX = [0.0, 0.0, 10.0, 10.0]
HALF, LESS, AWAY = [0.0, 0.0, 10.0, 5.0], [0.0, 0.0, 10.0, 4.99], [50.0, 50.0, 60.0, 60.0]


@pytest.mark.parametrize(
    ("difficult", "detections", "eleven", "every"),
    [
        ([False], [BOX], 1, 1),
        ([False], [], 0, 0),
        ([False], [AWAY], 0, 0),
        ([False], [HALF], 1, 1),  # just the threshold is enough
        ([False], [LESS], 0, 0),
        ([False], [BOX, BOX], 1, 1),  # found twice: the second is wrong, after all is found
        ([False], [AWAY, BOX], 1 / 2, 1 / 2),
        ([False, False], [BOX], 6 / 11, 1 / 2),  # recalls 0 to 0.5 are reached
        ([True], [BOX], UNDEFINED, UNDEFINED),
        ([], [BOX], UNDEFINED, UNDEFINED),
    ],
)
def test_by_hand(difficult: list[bool], detections: list[list[float]], eleven: float, every: float) -> None:
    """The first true box is BOX, others are in another place."""
    places = [BOX, [200.0, 200.0, 210.0, 210.0]][: len(difficult)]
    found = average_precision(
        np.ones(len(places), int), np.reshape(places, (-1, 4)), np.array(difficult, bool),
        np.ones(len(detections), int), np.reshape(detections, (-1, 4)), -np.arange(len(detections), dtype=float),
    )  # fmt: skip
    assert found == pytest.approx((eleven, every))


def test_a_detection_on_a_difficult_box_counts_neither_way() -> None:
    """Three of them, before and between: as if they were not there; a truth's second detection counts against."""
    boxes = np.array([BOX, AWAY, [200.0, 0.0, 210.0, 10.0]])
    difficult, ones = np.array([False, True, False]), np.ones(3, int)
    rows = np.array([AWAY, BOX, AWAY, BOX, AWAY, boxes[2]])
    found = average_precision(ones, boxes, difficult, np.ones(6, int), rows, np.linspace(0.9, 0.1, 6))
    assert found == pytest.approx(((6 * 1 + 5 * 2 / 3) / 11, (1 + 2 / 3) / 2))


def test_a_class_is_scored_on_the_images_that_are_labelled_with_it() -> None:
    of = truth(2)
    union, others = half_labelled(of)
    found = guesses(of, 7)
    rows = voc_ap.score(found, union).per_class
    plain = voc_ap.score(found, replace(union, unlabelled=())).per_class
    alone = voc_ap.score(found.only(np.isin(found.image_ids, others.image_ids)), others).per_class
    assert rows[1] == alone[1] != plain[1] and (rows[0], rows[2:]) == (plain[0], plain[2:])


def test_recalls_of_tenths_are_reached_exactly() -> None:
    """3 of 10 is recall 0.3, which 0.1 · 3 in binary is above."""
    boxes = np.array([[20.0 * i, 0.0, 20.0 * i + 10, 10.0] for i in range(10)])
    for found in range(11):
        eleven, every = average_precision(
            np.ones(10, int), boxes, np.zeros(10, bool), np.ones(found, int), boxes[:found], np.ones(found)
        )
        assert eleven == pytest.approx((found + 1) / 11 if found else 0) and every == pytest.approx(
            found / 10
        )


@pytest.mark.parametrize("seed", range(3))
def test_it_is_near_cocos_ap50_where_nothing_is_difficult(seed: int) -> None:
    """101 points of recall are nearly all of them; COCO lets a detection take another free box, VOC does not."""
    of = truth(seed, 40)
    of.is_crowd[:] = False
    results = guesses(of)
    found = voc_ap.score(results, of)
    expected = coco_map.score(results, of, "pycocotools")
    assert [(row.name, row.category_id) for row in found.per_class] == [
        (row.name, row.category_id) for row in expected.per_class
    ]
    for row, coco in zip(found.per_class, expected.per_class, strict=True):
        assert (row.boxes, row.detections, row.difficult) == (coco.boxes, coco.detections, 0)
        assert row.ap_all_points == pytest.approx(coco.ap50, abs=0.02)
    assert found.mean_ap_all_points == pytest.approx(expected.metrics["AP50"], abs=0.01)


def test_crowds_are_difficult_and_classes_without_objects_have_no_value() -> None:
    of = truth(2, 30)
    found = voc_ap.score(Results.empty(), of)
    assert sum(row.difficult for row in found.per_class) == of.is_crowd.sum() > 0
    assert found.mean_ap_11_points == found.mean_ap_all_points == 0
    assert found.per_class[3].ap_11_points == UNDEFINED
    assert "unseen" not in "\n".join([*found.lines(), *found.table()])
    of.is_crowd[:] = True
    nothing = voc_ap.score(Results.empty(), of)
    assert nothing.mean_ap_11_points == UNDEFINED and nothing.table()[-1].startswith(
        "Average Precision Across All Classes: – over 11 points"
    )
    assert nothing.lines()[-1] == "Mean Average Precision (mAP): –"


def test_results_of_other_data_are_refused() -> None:
    of = truth(3)
    results = guesses(of)
    labels = np.searchsorted(IDS, results.category_ids)
    with pytest.raises(ValueError, match="category ids that the ground truth does not have"):
        voc_ap.score(Results(results.image_ids, labels, results.boxes_xywh_px, results.scores), of)
