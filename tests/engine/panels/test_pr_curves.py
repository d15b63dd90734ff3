"""Precision and recall at score thresholds, against counting."""

from __future__ import annotations

import numpy as np
import pytest

from vision.engine.evaluation.coco_map import ClassScores, Curve, Scores
from vision.engine.panels.pr_curves import THRESHOLDS, at_thresholds, pr_summaries

BOXES = 100


def cocos_curve(scores: np.ndarray, hits: np.ndarray) -> Curve:
    """As pycocotools' ``accumulate`` makes it of detections, best first."""
    tp, fp = hits.cumsum(), (~hits).cumsum()
    recall, precision = tp / BOXES, tp / (tp + fp)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    where = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
    there = where < len(scores)
    at = np.minimum(where, len(scores) - 1)
    return Curve(np.where(there, precision[at], 0.0), np.where(there, scores[at], 0.0))


@pytest.mark.parametrize("seed", range(3))
def test_thresholds_count_what_is_above_them(seed: int) -> None:
    draw = np.random.default_rng(seed)
    scores = np.sort(draw.random(250))[::-1]
    hits = draw.random(250) < scores * 0.7
    hits[hits.cumsum() > BOXES] = False
    curve = cocos_curve(scores, hits)
    tp, fp, tn, fn, precision, recall = at_thresholds(curve.precision, curve.scores, BOXES)
    for index, threshold in enumerate(np.linspace(0, 1, THRESHOLDS)):
        above = scores >= threshold
        assert -1e-9 < hits[above].sum() - tp[index] < 1 + 1e-9, "a hundredth of recall is one of 100 boxes"
        assert recall[index] * BOXES == pytest.approx(tp[index]) and fn[index] == pytest.approx(
            BOXES - tp[index]
        )
        if hits[above].any():
            assert precision[index] >= hits[above].mean() - 1e-9, "the best at that recall or a higher one"
            assert precision[index] == curve.precision[round(recall[index] * 100)]
            assert tp[index] / (tp[index] + fp[index]) == pytest.approx(precision[index])
    assert not tn.any() and (np.diff(recall) <= 0).all()


def test_nothing_found_is_no_recall_and_no_division_by_nothing() -> None:
    table = at_thresholds(np.zeros(101), np.zeros(101), 5)
    assert np.isfinite(table).all() and not table[5].any() and (table[3] == 5).all() and (table[4] == 1).all()


def test_classes_without_objects_have_no_curve() -> None:
    rows = [ClassScores(name, 1, 0.5, 0.5, 0.5, 0.5, boxes, 0, 3) for name, boxes in (("cat", 3), ("dog", 0))]
    curve = Curve(np.ones(101), np.linspace(1, 0.5, 101))
    scores = Scores({}, tuple(rows), "", "", 1, 3, 6, (curve, curve))
    summaries = list(pr_summaries(scores))
    assert [one.value[0].tag for one in summaries] == ["pr_curves/cat"]
    assert summaries[0].value[0].metadata.plugin_data.plugin_name == "pr_curves"
