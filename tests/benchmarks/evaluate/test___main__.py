"""The comparison of evaluation notices what differs, and says so."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.evaluate import __main__ as benchmark
from vision.core.sample import Detections


def found(*scores: float) -> Detections:
    boxes = torch.arange(len(scores) * 4, dtype=torch.float32).reshape(-1, 4) / 100
    return Detections(boxes, torch.tensor(scores), torch.ones(len(scores), dtype=torch.int64))


def test_equal_whatever_the_order_of_ties() -> None:
    ours = found(0.9, 0.5, 0.5)
    order = torch.tensor([0, 2, 1])
    theirs = Detections(ours.boxes_xyxy[order], ours.scores[order], ours.labels[order])
    assert benchmark.compared(ours, theirs) == (3, 3, 0)


@pytest.mark.parametrize("name", ["boxes_xyxy", "scores", "labels"])
@pytest.mark.parametrize(("row", "tied"), [(0, 0), (2, 1)])
def test_a_difference_is_seen_and_told_from_a_tie_of_the_last(name: str, row: int, tied: int) -> None:
    ours = found(0.9, 0.5, 0.4)
    values = getattr(ours, name).clone()
    values[row] += 1
    theirs = dataclasses.replace(ours, **{name: values})
    assert benchmark.compared(ours, theirs) == (2, 3, tied)


def test_fewer_are_not_the_same() -> None:
    assert benchmark.compared(found(0.9), found(0.9, 0.5)) == (1, 2, 0)


def test_the_best_are_cut_and_clamped() -> None:
    best = benchmark.best_of(found(0.1, 0.9, 0.5), 2)
    assert best.scores.tolist() == pytest.approx([0.9, 0.5]) and best.boxes_xyxy.max() <= 1


def test_ways_are_measured_in_turns() -> None:
    said: list[str] = []
    times = benchmark.paired({name: lambda name=name: said.append(name) for name in "ab"}, 2)  # type: ignore[misc]
    assert said == ["a", "b", "a", "b"] and [len(one) for one in times.values()] == [2, 2]


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    times = {"slow": [(10.0, 4.0), (90.0, 4.0), (20.0, 4.0)], "fast": [(1.0, 2.0), (1.0, 2.0), (1.0, 2.0)]}
    lines, ratio = benchmark.rows(times, 1.0)
    assert ratio == 20 and lines == [
        "| slow | 20 | 10–90 | 4 | 20 (10–90) | 2 |",
        "| fast | 1 | 1–1 | 2 | 1 (1–1) | 1 |",
    ]


def test_batches_have_all_images_and_what_is_found_in_each() -> None:
    truth, results = benchmark.a_split(70)
    batches = benchmark.in_batches(truth, results)
    assert [len(ids) for ids, _ in batches] == [32, 32, 6]
    for ids, found in batches:
        assert np.unique(found.image_ids).tolist() == ids.tolist()
    assert sum(len(found) for _, found in batches) == len(results)


def test_the_metric_by_rounds() -> None:
    """Ratios are to the one round that pycocotools is in, however many the others have."""
    told = [
        benchmark.Round(0.5, (0.3, 0.5), (0.4, 0.5), (0.8, 1.2), (144.0, 120.0)),
        benchmark.Round(1.25, (0.4, 0.4), (0.4, 0.6), (1.6, 1.0), None),
        benchmark.Round(1.0, (0.5, 0.6), (0.6, 0.6), (1.2, 1.6), None),
    ]
    assert benchmark.metric_table(told, "hotcoco")[2:] == [
        "| 1 | 0.5 | 0.3 (0.5) | 0.4 (0.5) | 0.8 (1.2) | 144 (120) |",
        "| 2 | 1.2 | 0.4 (0.4) | 0.4 (0.6) | 1.6 (1) |  |",
        "| 3 | 1.0 | 0.5 (0.6) | 0.6 (0.6) | 1.2 (1.6) |  |",
        "| median | | **0.4** (0.5) | **0.4** (0.6) | **1.2** (1.2) | **144** (120) |",
    ]
    assert benchmark.verdicts(told, whole=True) == [
        "* all at the end: 120 × (90–180; 100 × by processor time), wanted ≥ 100 ×: met",
        "* all at the end: 1.20 s (0.80–1.60), wanted ≤ 1 s: MISSED",
        "* last batch → numbers: 360 × (288–480; 240 × by processor time), wanted ≥ 100 ×: met",
        "* last batch → numbers: 0.40 s (0.30–0.50), wanted ≤ 1 s: met",
    ]
    assert not [line for line in benchmark.verdicts(told, whole=False) if "met" in line or "MISSED" in line]


def test_the_metric_is_equal_and_a_difference_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "equal to the bit: met" in "\n".join(benchmark.metric(10, 1, whole=False))
    true_score = benchmark.score

    def off(results: Any, truth: Any, backend: str) -> Any:
        scores = true_score(results, truth, "hotcoco")
        differs = float(backend == "pycocotools")
        return dataclasses.replace(scores, metrics={**scores.metrics, "APl": differs})

    monkeypatch.setattr(benchmark, "score", off)
    assert "equal to the bit: MISSED" in "\n".join(benchmark.metric(10, 1, whole=True))


def test_post_processing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With fewer candidates than the ancestors have, since the loop in Python is slow; the best 100 are among them."""
    monkeypatch.setattr(benchmark.ancestor, "CANDIDATES", 20)
    text = "\n".join(benchmark.post_processing(1))
    assert "3000 priors × 81 classes, threshold 0.01" in text and "of the best 100, " in text
