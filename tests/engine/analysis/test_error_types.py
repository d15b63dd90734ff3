"""TIDE's kinds and costs beside a second implementation that goes through the paper's words box by box."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.engine.analysis.made import drawn, found, truth_of
from vision.engine.analysis.error_types import NAMES, error_types
from vision.engine.analysis.matching import match
from vision.engine.analysis.scene import scene_of
from vision.engine.evaluation.ground_truth import GroundTruth
from vision.engine.evaluation.results import Results


@dataclass
class Said:
    image: int
    category: int
    box: list[float]
    score: float
    state: str = "wrong"
    kind: str = ""
    about: There | None = None


@dataclass
class There:
    image: int
    category: int
    box: list[float]
    crowd: bool
    by: Said | None = None
    asked: list[Said] = field(default_factory=list)


def overlap(a: list[float], b: list[float], crowd: bool = False) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (a[2] * a[3] if crowd else a[2] * a[3] + b[2] * b[3] - width * height)


def literal(results: Results, truth: GroundTruth) -> tuple[float, dict[str, int], dict[str, float]]:
    """AP50, counts and costs, slowly."""
    said = [
        Said(*row)
        for row in zip(
            results.image_ids.tolist(), results.category_ids.tolist(), results.boxes_xywh_px.tolist(), results.scores.tolist(), strict=True
        )
    ]  # fmt: skip
    there = [
        There(*row)
        for row in zip(
            truth.box_image_ids.tolist(), truth.category_ids.tolist(), truth.boxes_xywh_px.tolist(), truth.is_crowd.tolist(), strict=True
        )
    ]  # fmt: skip
    said.sort(key=lambda one: -one.score)
    objects = [one for one in there if not one.crowd]
    for one in said:
        free = [
            it for it in objects if (it.image, it.category) == (one.image, one.category) and it.by is None
        ]
        best = max(free, key=lambda it: overlap(one.box, it.box), default=None)
        if best is not None and overlap(one.box, best.box) >= 0.5:
            one.state, best.by = "right", one
        elif any(
            it.crowd
            and (it.image, it.category) == (one.image, one.category)
            and overlap(one.box, it.box, True) >= 0.5
            for it in there
        ):
            one.state = "ignored"
    for one in said:
        if one.state == "wrong":
            classify(one, [it for it in objects if it.image == one.image])
    for one in said:  # the best first
        if one.about is not None and one.about.by is None:
            one.about.asked.append(one)
    missed = [it for it in objects if it.by is None and not it.asked]
    base = mean_ap(said, objects, objects)
    cost = {}
    for kind in NAMES[:-1]:
        mended = []
        for one in said:
            if one.kind != kind:
                mended.append(one)
            elif one.about is not None and one.about.by is None and one.about.asked[0] is one:
                mended.append(Said(one.image, one.about.category, one.box, one.score, "right"))
        cost[kind] = max(0.0, mean_ap(mended, objects, objects) - base)
    cost["missed"] = max(0.0, mean_ap(said, [it for it in objects if it not in missed], objects) - base)
    counts = {kind: sum(one.kind == kind for one in said) for kind in NAMES[:-1]}
    return base, {**counts, "missed": len(missed)}, cost


def classify(one: Said, objects: list[There]) -> None:
    own = [it for it in objects if it.category == one.category]
    other = [it for it in objects if it.category != one.category]
    best_own = max(own, key=lambda it: overlap(one.box, it.box), default=None)
    best_other = max(other, key=lambda it: overlap(one.box, it.box), default=None)
    near = overlap(one.box, best_own.box) if best_own else 0.0
    beside = overlap(one.box, best_other.box) if best_other else 0.0
    if 0.1 <= near <= 0.5:
        one.kind, one.about = "localisation", best_own
    elif beside >= 0.5:
        one.kind, one.about = "classification", best_other
    elif any(it.by is not None and overlap(one.box, it.box) >= 0.5 for it in own):
        one.kind = "duplicate"
    elif max(near, beside) <= 0.1:
        one.kind = "background"
    else:
        one.kind = "both"


def mean_ap(said: list[Said], counted: list[There], objects: list[There]) -> float:
    values = []
    for category in sorted({it.category for it in objects}):
        own = sorted(
            (one for one in said if one.category == category and one.state != "ignored"),
            key=lambda one: -one.score,
        )
        total = sum(it.category == category for it in counted)
        if not total:
            values += [0.0] if own else []
            continue
        points, right = [], 0
        for number, one in enumerate(own, 1):
            right += one.state == "right"
            points.append((right / total, right / number))
        values.append(
            sum(max((p for r, p in points if r >= step), default=0.0) for step in np.linspace(0, 1, 101))
            / 101
        )
    return sum(values) / len(values)


@pytest.mark.parametrize("seed", range(6))
def test_counts_and_costs_are_those_of_the_paper(seed: int) -> None:
    results, truth = drawn(
        seed, images=25, crowds=(0.0, 0.2)[seed % 2], unseen=(0.1, 0.6)[seed // 3], ties=False
    )
    scene = scene_of(results, truth)
    ours = error_types(scene, match(scene, 0.5))
    ap, counts, cost = literal(results, truth)
    assert ours.counts == counts
    assert ours.ap == pytest.approx(ap, abs=1e-12)
    assert ours.cost == pytest.approx(cost, abs=1e-12)
    assert sum(counts.values()) > 100 and all(counts[kind] for kind in NAMES if kind != "missed")


def test_each_kind_by_hand() -> None:
    """One object a, one b far from it, one b that nobody sees."""
    truth = truth_of([1, 1, 2], [5, 2, 2], [[0, 0, 100, 100], [150, 100, 50, 50], [10, 10, 30, 30]])
    results = found(
        [
            (1, 5, [0, 0, 100, 100], 0.9),  # right
            (1, 5, [0, 0, 100, 99], 0.8),  # duplicate
            (1, 2, [0, 0, 100, 98], 0.7),  # classification, of an object that is found
            (1, 2, [150, 100, 50, 20], 0.6),  # localisation: IoU 0.4
            (1, 9, [150, 100, 50, 20], 0.5),  # both
            (3, 5, [0, 0, 50, 50], 0.4),  # background: an image without objects
        ]
    )
    scene = scene_of(results, truth)
    ours = error_types(scene, match(scene, 0.5))
    assert ours.counts == dict.fromkeys(NAMES, 1)
    assert ours.missed.tolist() == [False, False, True]
    assert ours.cost["localisation"] == pytest.approx(0.5 * 51 / 101 / 2, abs=0.01)


def test_nothing_found() -> None:
    scene = scene_of(Results.empty(), truth_of([1], [5], [[0, 0, 10, 10]]))
    ours = error_types(scene, match(scene, 0.5))
    assert ours.ap == 0.0 and ours.counts["missed"] == 1 and sum(ours.counts.values()) == 1
