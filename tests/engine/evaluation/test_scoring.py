"""What a thread matches while detections come in is, to the bit, what pycocotools says of all of them at the end."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine.evaluation.test_coco_map import (
    BACKENDS,
    CLASSES,
    IDS,
    guesses,
    half_labelled,
    truth,
    with_files,
)
from tests.engine.evaluation.test_predict import ORIGINAL_IDS, Oracle, batches
from vision.engine.evaluation.backends import Matches
from vision.engine.evaluation.coco_map import METRICS, Scores, score
from vision.engine.evaluation.ground_truth import GroundTruth, from_arrays
from vision.engine.evaluation.predict import predict
from vision.engine.evaluation.results import Results
from vision.engine.evaluation.scoring import Scoring
from vision.messages.advice import UserError


def of_images(results: Results, ids: np.ndarray) -> Results:
    return results.only(np.isin(results.image_ids, ids))


def in_parts(of: GroundTruth, results: Results, size: int, seed: int = 3) -> list[tuple[np.ndarray, Results]]:
    """``size`` images at a time, in an order that is not theirs."""
    order = np.random.default_rng(seed).permutation(of.image_ids)
    parts = [order[first : first + size] for first in range(0, len(order), size)]
    return [(ids, of_images(results, ids)) for ids in parts]


def overlapped(
    of: GroundTruth, parts: list[tuple[np.ndarray, Results]], backend: str = "hotcoco"
) -> tuple[Scores, Results]:
    found = Results.concatenate([part for _, part in parts])
    with Scoring(of, backend) as scoring:
        for ids, part in parts:
            scoring.take(ids, part)
        return scoring.scores(found), found


def bits(scores: Scores) -> list[bytes]:
    tables = [table for curve in scores.curves for table in (curve.precision, curve.scores)]
    return [np.array(list(scores.metrics.values())).tobytes(), *(table.tobytes() for table in tables)]


def tied(of: GroundTruth, seed: int) -> Results:
    """Scores of one digit, so that many are equal, within an image and across images."""
    results = guesses(of, seed)
    return replace(results, scores=results.scores.round(1))


def a_hundred_and_more(of: GroundTruth) -> Results:
    """More of a class in an image than the hundred that count."""
    results = guesses(of, 5)
    many = Results.concatenate([replace(results, scores=results.scores / n) for n in range(1, 31)])
    assert np.unique(np.stack([many.image_ids, many.category_ids]), axis=1, return_counts=True)[1].max() > 100
    return many


GIVEN: dict[str, Callable[[GroundTruth], Results]] = {
    "some": guesses,
    "equal scores": lambda of: tied(of, 9),
    "more than a hundred": a_hundred_and_more,
    "nothing": lambda of: Results.empty(),
    "nothing in most images": lambda of: of_images(guesses(of), of.image_ids[4:6]),
    "a class that no image has": lambda of: replace(
        guesses(of), category_ids=np.full(len(guesses(of)), IDS[4])
    ),
}


@pytest.mark.parametrize("size", [1, 5, 40])
@pytest.mark.parametrize("name", GIVEN)
def test_equal_to_the_reference_to_the_bit(tmp_path: Path, name: str, size: int) -> None:
    """Crowds, images without boxes and a class without any are in the ground truth."""
    of = truth(4, 40)
    assert of.is_crowd.any() and len(np.unique(of.box_image_ids)) < 40 and IDS[4] not in of.category_ids
    now, found = overlapped(of, in_parts(of, GIVEN[name](of), size))
    reference, at_once = score(found, of, "pycocotools"), score(found, of, "hotcoco")
    assert bits(now) == bits(reference) == bits(at_once) and now == at_once
    assert now.per_class == reference.per_class
    if len(found):
        assert [now.metrics[key] for key in METRICS] == with_files(tmp_path, of, found).tolist()


def test_ids_in_any_order_and_boxes_that_are_not_grouped(tmp_path: Path) -> None:
    of = truth(6, 20)
    draw = np.random.default_rng(8)
    strewn = of.with_images(draw.permutation(20)).with_boxes(draw.permutation(len(of.box_image_ids)))
    now, found = overlapped(strewn, in_parts(strewn, guesses(strewn), 7))
    assert bits(now) == bits(score(found, strewn, "pycocotools"))


def test_a_split_without_boxes() -> None:
    of = truth(1, 6)
    empty = of.with_boxes(np.zeros(len(of.box_image_ids), bool))
    now, found = overlapped(empty, in_parts(empty, guesses(of), 2))
    assert bits(now) == bits(score(found, empty, "pycocotools")) and now.metrics["AP"] == -1


def test_a_class_that_some_images_are_not_labelled_with() -> None:
    union, _ = half_labelled(truth(2))
    now, found = overlapped(union, in_parts(union, guesses(truth(2), 7), 4))
    assert bits(now) == bits(score(found, union, "pycocotools")) and now == score(found, union, "hotcoco")


@pytest.mark.parametrize("backend", BACKENDS)
def test_images_that_never_came_have_no_detections(backend: str) -> None:
    of = truth(3, 10)
    parts = in_parts(of, guesses(of), 4)[:2]
    now, found = overlapped(of, parts, backend)
    assert now == score(found, of, backend) and now.images == 10


def test_shares_of_several_processes_are_one() -> None:
    of = truth(7, 30)
    parts = in_parts(of, guesses(of), 4)
    shares, results = [], []
    for rank in range(3):
        with Scoring(of) as scoring:
            for ids, part in parts[rank::3]:
                scoring.take(ids, part)
            shares.append(pickle.loads(pickle.dumps(scoring.matched())))  # as it goes to the first process
            results.append(Results.concatenate([part for _, part in parts[rank::3]]))
    found = Results.concatenate(results)
    with Scoring(of) as first:
        for ids, part in parts[0::3]:
            first.take(ids, part)
        assert bits(first.scores(found, shares[1:])) == bits(score(found, of, "pycocotools"))


def test_it_is_done_beside_inference(monkeypatch: pytest.MonkeyPatch) -> None:
    """By another thread, before the numbers are asked for."""
    of = truth(5, 8)
    by: list[str] = []
    add = Matches.add
    monkeypatch.setattr(
        Matches, "add", lambda *given: (by.append(threading.current_thread().name), add(*given))[1]
    )
    with Scoring(of) as scoring:
        for ids, part in in_parts(of, guesses(of), 2):
            scoring.take(ids, part)
        scoring.matched()
        assert len(by) == 4 and all(name.startswith("coco-metric") for name in by)


def running() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("coco-metric")]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(143), RuntimeError("of the loader")])
def test_an_interruption_leaves_no_thread(stop: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor waits for what is not begun yet."""
    of = truth(5, 8)
    begun, go_on = threading.Event(), threading.Event()
    added: list[np.ndarray] = []

    def slow(self: Matches, ids: np.ndarray, found: Results) -> None:
        begun.set()
        go_on.wait(10)
        added.append(ids)

    monkeypatch.setattr(Matches, "add", slow)
    with pytest.raises(type(stop)), Scoring(of) as scoring:
        for ids, part in in_parts(of, guesses(of), 2):
            scoring.take(ids, part)
        begun.wait(10)
        assert running()
        threading.Timer(0.05, go_on.set).start()
        raise stop
    assert not running() and len(added) == 1


def test_an_error_of_the_thread_says_what_it_says() -> None:
    of = truth(3)
    results = guesses(of)
    strange = replace(results, category_ids=results.category_ids + 1000)
    with (
        pytest.raises(UserError, match=r"results name \d category ids that the ground truth does not have"),
        Scoring(of) as scoring,
    ):
        scoring.take(of.image_ids, strange)
        scoring.scores(strange)
    assert not running()


def test_an_error_of_the_thread_stops_inference_early(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Matches, ids: np.ndarray, found: Results) -> None:
        raise MemoryError("no room for matches")

    monkeypatch.setattr(Matches, "add", full)
    of, seen = a_truth_of_five(), []

    def given() -> Iterator[Any]:
        for number, batch in enumerate(batches([1, 1, 1, 1, 1])):
            while number and running() and not scoring._at_work[0].done():
                pass
            seen.append(number)
            yield batch

    oracle: Any = Oracle()
    with pytest.raises(MemoryError, match="no room for matches"), Scoring(of) as scoring:
        predict(oracle, given(), "cpu", ORIGINAL_IDS, take=scoring.take)
    assert seen == [0, 1] and not running()


def a_truth_of_five() -> GroundTruth:
    """Of the images of ``batches``."""
    arrays = {
        "image_ids": 1000 + 7 * np.arange(5), "heights": 100 * (np.arange(5) + 1), "widths": np.full(5, 200),
        "first_box": np.arange(6), "boxes_xyxy_px": np.tile([[20.0, 20.0, 100.0, 60.0]], (5, 1)),
        "labels": np.array([1, 2, 3, 1, 2]), "is_crowd": np.zeros(5, bool), "area": np.full(5, 3200.0),
    }  # fmt: skip
    return from_arrays(arrays, CLASSES[:4], ORIGINAL_IDS)


def test_what_predict_gives_is_what_is_scored() -> None:
    oracle: Any = Oracle()
    of = a_truth_of_five()
    with Scoring(of) as scoring:
        found = predict(oracle, batches([2, 0, 3]), "cpu", ORIGINAL_IDS, take=scoring.take)
        assert scoring.scores(found) == score(found, of, "hotcoco")


def test_no_random_number_is_drawn() -> None:
    """A run that is resumed behind an evaluation has the same bits as one that never stopped."""
    of = truth(5, 8)
    torch.manual_seed(0)
    np.random.seed(0)
    expected = torch.rand(3), np.random.rand(3)
    torch.manual_seed(0)
    np.random.seed(0)
    overlapped(of, in_parts(of, guesses(of), 2))
    assert torch.equal(torch.rand(3), expected[0]) and (np.random.rand(3) == expected[1]).all()


def test_an_image_comes_once() -> None:
    of = truth(5, 8)
    results = guesses(of)
    with pytest.raises(AssertionError, match="an image twice"), Scoring(of) as scoring:
        for _ in range(2):
            scoring.take(of.image_ids[:2], of_images(results, of.image_ids[:2]))
        scoring.matched()
    with pytest.raises(AssertionError, match="another ground truth"), Scoring(of) as scoring:
        scoring.take(of.image_ids[-1:] + 1, Results.empty())
        scoring.matched()
