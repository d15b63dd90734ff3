"""Measure what evaluation costs after the net has answered, beside the ways it replaces, in turns in the same run.

    python -m benchmarks.evaluate           # writes benchmarks/results/evaluate_<device>_<date>.md; minutes: pycocotools
    python -m benchmarks.evaluate --quick   # under a minute: 500 images for the metric, fewer rounds, no file

* post-processing: mb2-ssd-lite (3000 priors × 81 classes) with drawn weights at threshold 0.01, against a predictor as
  the ancestors' is (``ancestor.py``); both must find the same best 100
* COCO's metric: 5,000 images × 100 drawn detections. What a user waits for: from the last batch's detections to the 12 numbers,
  where those of the batches before are matched already; and all of it at the end, from ``Results``, by the fast library in each
  round and by pycocotools in the first. The numbers of every round and way must be equal to the bit
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import argparse
import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.download import once
from benchmarks.evaluate import ancestor
from benchmarks.evaluate.synthetic import DETECTIONS, a_split
from benchmarks.results import device, publish, today
from vision.core.sample import Detections, InputSpec
from vision.engine.evaluation.coco_map import Scores, choose_backend, score
from vision.engine.evaluation.ground_truth import GroundTruth
from vision.engine.evaluation.results import Results
from vision.engine.evaluation.scoring import Scoring
from vision.ssd.build import build_detector
from vision.ssd.heads import initialise_headers
from vision.ssd.model import Detector
from vision.ssd.postprocess import detect
from vision.ssd.variants import find

NET, CLASSES, RESOLUTION = "mb2-ssd-lite", 81, 300
SCORE_THRESHOLD, IOU_THRESHOLD, BEST = 0.01, 0.45, 100
RATIO_LIMIT, SECONDS_LIMIT = 100, 1.0
BATCH = 32
REFERENCE = "pycocotools"
CLOSE = 1e-5
"""Boxes (fractions) closer than this are the same: the two ways decode in another order. Scores are equal to the bit."""

Seconds = tuple[float, float]
"""By the clock, and of processor time (all threads)."""


class Compared(NamedTuple):
    """How the best of two ways agree: rows found in both, rows of the first, and how many of the others have the last score."""

    same: int
    rows: int
    tied: int


def raw_outputs(seed: int) -> tuple[Detector, Tensor, Tensor]:
    """The net with drawn weights and what it says to an image of noise: logits (1, P, C), offsets (1, P, 4).

    Heads are drawn as the ancestors' are (Xavier, no bias). Ours begin with a bias to background, so that an untrained net
    has nothing above the threshold, and neither way would have anything to do. One pass in training mode gives batch
    normalisation the statistics of noise: without them all scores are the same.
    """
    torch.manual_seed(seed)
    model = build_detector(find(NET), CLASSES, InputSpec(RESOLUTION, RESOLUTION))
    for headers in (model.classification_headers, model.regression_headers):
        initialise_headers(headers, std=0.0)  # no bias
        for last in headers.last_layers.values():
            torch.nn.init.xavier_uniform_(last.weight)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # what was seen, not a moving average
            layer.reset_running_stats()
    noise = torch.randint(0, 256, (4, 3, RESOLUTION, RESOLUTION), dtype=torch.uint8)
    images = model.input_spec.normalise(noise)
    with torch.no_grad():
        model(images)
        logits, offsets = model.eval()(images[:1])
    return model, logits, offsets


def best_of(found: Detections, limit: int = BEST) -> Detections:
    """The ``limit`` best, boxes clamped to the image, best first."""
    order = found.scores.argsort(descending=True, stable=True)[:limit]
    return Detections(found.boxes_xyxy[order].clamp(0, 1), found.scores[order], found.labels[order])


def compared(ours: Detections, theirs: Detections) -> Compared:
    """Each row of ``ours`` is looked for once in ``theirs``."""
    left = list(range(len(theirs)))
    lost = []
    for row in range(len(ours)):
        match = next((other for other in left if _is_same(ours, row, theirs, other)), None)
        if match is None:
            lost.append(row)
        else:
            left.remove(match)
    last = min(float(ours.scores.min()), float(theirs.scores.min())) if len(ours) and len(theirs) else 0.0
    tied = sum(float(ours.scores[row]) == last for row in lost)
    return Compared(len(ours) - len(lost), max(len(ours), len(theirs)), tied)


def _is_same(a: Detections, i: int, b: Detections, j: int) -> bool:
    return bool(
        a.labels[i] == b.labels[j]
        and a.scores[i] == b.scores[j]
        and (a.boxes_xyxy[i] - b.boxes_xyxy[j]).abs().max() < CLOSE
    )


def paired(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[Seconds]]:
    """The ways in turn, round after round, so that a disturbance hits all of them."""
    found: dict[str, list[Seconds]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(once(way))
    return found


def rows(times: dict[str, list[Seconds]], unit_s: float) -> tuple[list[str], float]:
    """Lines of the table in units of ``unit_s``, the replaced way first; and the median ratio of the clocks to the last."""
    ours = times[list(times)[-1]]
    lines, ratio = [], 1.0
    for name, pairs in times.items():
        clocks, processors = zip(*pairs, strict=True)
        ratios = [one / other[0] for one, other in zip(clocks, ours, strict=True)]
        if pairs is not ours:
            ratio = median(ratios)
        own = [seconds / unit_s for seconds in (median(clocks), min(clocks), max(clocks), median(processors))]
        processor_ratio = median(p / o[1] for p, o in zip(processors, ours, strict=True))
        lines.append(
            f"| {name} | {_number(own[0])} | {_number(own[1])}–{_number(own[2])} | {_number(own[3])} "
            f"| {median(ratios):,.0f} ({min(ratios):,.0f}–{max(ratios):,.0f}) | {processor_ratio:,.0f} |"
        )
    return lines, ratio


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def header(unit: str) -> list[str]:
    return [
        f"| way | {unit}, median | least–most | processor, {unit} | × the last (least–most) | × by processor |",
        "|---|---:|---:|---:|---:|---:|",
    ]


def post_processing(rounds: int) -> list[str]:
    model, logits, offsets = raw_outputs(seed=0)

    def theirs() -> Detections:
        return ancestor.predict(logits[0], offsets[0], model.priors_cxcywh, SCORE_THRESHOLD, IOU_THRESHOLD)

    def ours() -> Detections:
        return detect(logits, offsets, model, SCORE_THRESHOLD)[0]

    ours()
    times = paired(
        {"a loop over classes and boxes in Python": theirs, "vision.ssd.postprocess": ours}, rounds
    )
    lines, ratio = rows(times, 1e-3)
    agree = compared(best_of(ours()), best_of(theirs()))
    above = int((logits.softmax(-1)[..., 1:] > SCORE_THRESHOLD).sum())
    return [
        f"### Post-processing, {logits.shape[1]} priors × {logits.shape[2]} classes, threshold {SCORE_THRESHOLD}, drawn weights: {above:,} pairs above", "",
        *header("ms"), *lines, "",
        f"* {ratio:,.0f} ×, wanted ≥ {RATIO_LIMIT} ×: {_met(ratio >= RATIO_LIMIT)}",
        f"* of the best {agree.rows}, {agree.same} are the same; {agree.tied} of the others have the last one's score: "
        + _met(agree.same + agree.tied == agree.rows == BEST),
        "",
    ]  # fmt: skip


class Round(NamedTuple):
    """One round of the metric: load average before it, then seconds of each way; ``reference`` where pycocotools took part."""

    load: float
    behind: Seconds
    beside: Seconds
    at_once: Seconds
    reference: Seconds | None


def metric(images: int, rounds: int, whole: bool) -> list[str]:
    truth, results = a_split(images)
    fast = choose_backend("auto")
    few, found_there = a_split(20)
    for name in (REFERENCE, fast):  # imports
        score(found_there, few, name)
    batches = in_batches(truth, results)
    numbers: list[dict[str, float]] = []
    told = [one_round(truth, batches, fast, number == 0, numbers) for number in range(rounds)]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in (REFERENCE, fast))
    equal = _met(all(one == numbers[0] for one in numbers))
    return [
        f"### COCO's metric, {images:,} images × {DETECTIONS} detections ({versions})", "",
        "Seconds by the clock, and in brackets of processor time over all threads.", "",
        *metric_table(told, fast), "",
        *verdicts(told, whole),
        f"* the 12 numbers of {len(numbers)} scores are equal to the bit: {equal}; AP {numbers[0]['AP']:.4f}", "",
    ]  # fmt: skip


def in_batches(truth: GroundTruth, results: Results) -> list[tuple[np.ndarray, Results]]:
    """As a loader gives the images: ids of a batch, and what is found there. ``results`` has them in the order of the images."""
    ids = [truth.image_ids[first : first + BATCH] for first in range(0, len(truth.image_ids), BATCH)]
    ends = np.searchsorted(results.image_ids, [each[-1] for each in ids], "right")
    rows = np.split(np.arange(len(results)), ends[:-1])
    return [(each, results.only(own)) for each, own in zip(ids, rows, strict=True)]


def one_round(
    truth: GroundTruth,
    batches: list[tuple[np.ndarray, Results]],
    fast: str,
    with_reference: bool,
    numbers: list[dict[str, float]],
) -> Round:
    """Adds the 12 numbers of each way to ``numbers``."""
    load, results = os.getloadavg()[0], Results.concatenate([found for _, found in batches])

    def noted(scores: Scores) -> None:
        numbers.append(scores.metrics)

    with Scoring(truth, fast) as scoring:

        def beside() -> None:
            for ids, found in batches[:-1]:
                scoring.take(ids, found)
            scoring.matched()

        def behind() -> None:
            scoring.take(*batches[-1])
            noted(scoring.scores(Results.concatenate([found for _, found in batches])))

        while_predicting, after = once(beside), once(behind)
    at_once = once(lambda: noted(score(results, truth, fast)))
    reference = once(lambda: noted(score(results, truth, REFERENCE))) if with_reference else None
    return Round(load, after, while_predicting, at_once, reference)


def metric_table(told: list[Round], fast: str) -> list[str]:
    """A line of each round, and the medians."""
    heads = ("last batch → numbers", "matched beside inference", f"{fast}, all at the end", REFERENCE)
    lines = [
        f"| round | load | {' | '.join(f'{head}, s' for head in heads)} |",
        f"|---:|---:|{'---:|' * len(heads)}",
    ]
    columns: list[list[Seconds | None]] = [
        [each.behind for each in told],
        [each.beside for each in told],
        [each.at_once for each in told],
        [each.reference for each in told],
    ]
    for number, each in enumerate(told):
        cells = [_seconds(column[number]) for column in columns]
        lines.append(f"| {number + 1} | {each.load:.1f} | {' | '.join(cells)} |")
    lines.append(f"| median | | {' | '.join(map(_median, columns))} |")
    return lines


def _seconds(pair: Seconds | None) -> str:
    return "" if pair is None else f"{_number(pair[0])} ({_number(pair[1])})"


def _median(pairs: Sequence[Seconds | None]) -> str:
    clocks, processors = zip(*(pair for pair in pairs if pair is not None), strict=True)
    return f"**{_number(median(clocks))}** ({_number(median(processors))})"


def verdicts(told: list[Round], whole: bool) -> list[str]:
    """What is wanted, of the medians, with the least and the most; nothing is wanted where it is not ``whole``: 5,000 images."""
    (reference,) = [each.reference for each in told if each.reference is not None]
    lines = []
    for way, pairs in (
        ("all at the end", [each.at_once for each in told]),
        ("last batch → numbers", [each.behind for each in told]),
    ):
        clocks = sorted(pair[0] for pair in pairs)
        ratios = [reference[0] / clock for clock in reversed(clocks)]
        by_processor = median(reference[1] / pair[1] for pair in pairs)
        ratio, seconds = median(ratios), median(clocks)
        lines += [
            f"* {way}: {ratio:,.0f} × ({ratios[0]:,.0f}–{ratios[-1]:,.0f}; {by_processor:,.0f} × by processor time), wanted ≥ {RATIO_LIMIT} ×"
            + (f": {_met(ratio >= RATIO_LIMIT)}" if whole else " of 5,000 images"),
            f"* {way}: {seconds:.2f} s ({clocks[0]:.2f}–{clocks[-1]:.2f}), wanted ≤ {SECONDS_LIMIT:g} s"
            + (f": {_met(seconds <= SECONDS_LIMIT)}" if whole else " of 5,000 images"),
        ]
    return lines


def _met(is_so: bool) -> str:
    return "met" if is_so else "MISSED"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="500 images, fewer rounds, print only")
    parser.add_argument("--images", type=int, help="of the metric (5000; 500 with --quick)")
    parser.add_argument("--rounds", type=int, help="of post-processing (7; 3 with --quick)")
    parser.add_argument("--metric-rounds", type=int, help="the first also by pycocotools (7; 3 with --quick)")
    parser.add_argument("--no-file", action="store_true", help="print only")
    asked = parser.parse_args(argv)
    images = asked.images or (500 if asked.quick else 5_000)
    rounds = asked.rounds or (3 if asked.quick else 7)
    metric_rounds = asked.metric_rounds or (3 if asked.quick else 7)
    before = os.getloadavg()[0]
    sections = post_processing(rounds)
    print("\n".join(sections), file=sys.stderr, flush=True)  # the other takes minutes
    sections += metric(images, metric_rounds, images >= 5_000)
    lines = [
        f"## Evaluation, {today()}", "",
        (f"{device()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads of torch, Python {platform.python_version()}, "
        f"torch {torch.__version__}; {rounds} and {metric_rounds} rounds; load average {before:.1f} before and "
        f"{os.getloadavg()[0]:.1f} after"), "",
        *sections,
    ]  # fmt: skip
    print(text := "\n".join(lines))
    if not (asked.no_file or asked.quick):
        words = sys.argv[1:] if argv is None else argv
        publish("evaluate", " ".join(["python -m benchmarks.evaluate", *words]), text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
