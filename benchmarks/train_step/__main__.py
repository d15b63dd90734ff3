"""Measure images a second of a whole training step, by the ways there are to make it faster, and the memory each needs.

    python -m benchmarks.train_step             # writes benchmarks/results/train_step_<device>_<date>.md
    python -m benchmarks.train_step --quick     # under a minute: smaller batches, no compiling, no file
    python -m benchmarks.train_step --ways ancestor-like default --batch-size 8

mb2-ssd-lite with 81 classes, each way in a process of its own: the first as the ancestors' step is, in its default
environment (``ancestor.py``; without the matching, which its data workers do), then the plain float32 step, the trainer's
by default, and with named options. They step in turns, so that whatever else the machine does falls on all of them;
ratios are of the same turn, with their least and most. Gradients are those of the first step, compared on a CPU with
the same step in float64, on a GPU and with --quick with the first way's: |difference| / |compared with|. The batch is the same one each time and is on the host, where a loader leaves it: what feeding costs
is in ``benchmarks.feeding``. A way that this device or installation does not have is named with the reason.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.results import device as processor
from benchmarks.results import publish, today
from benchmarks.train_step.ways import ANCESTOR, DEFAULT, EXACT, PLAIN, WAYS, difference
from benchmarks.train_step.worker import WARM, Worker
from vision.engine.machine import choose_device

Seconds = list[tuple[float, float]]
"""Of each turn: a step by the clock, and of processor time."""
DEFAULT_BAR, BEST_BAR = 4.0, 5.0
ON_A_CPU = [ANCESTOR, PLAIN, DEFAULT, "fused, compile"]
"""What has no bfloat16 is slower with it; and each way keeps up to 5.5 GB at batch 24."""
QUICK = {"batch_size": 8, "rounds": 3, "ways": [ANCESTOR, DEFAULT]}
WHOLE = {"batch_size": 24, "rounds": 7, "ways": None}


def measure(
    told: dict[str, Any], ways: Sequence[str], threads: int, rounds: int, exact: bool
) -> tuple[dict[str, Seconds], dict[str, dict[str, Any]]]:
    """Way → its turns; way → what else is known: ``why`` it is not to be had, or ``bytes``, ``ready_s``, ``gradients``: their
    distance from those in float64 where ``exact``, else from those of the first way."""
    with tempfile.TemporaryDirectory() as folder:
        files = {way: Path(folder, str(number)) for number, way in enumerate([EXACT, *ways])}
        workers, facts = {}, {}

        def begun(way: str, warm: int) -> Worker:
            return Worker(
                {"way": way, "config": told, "threads": threads, "gradients": str(files[way]), "warm": warm}
            )

        if exact:
            reference = begun(EXACT, warm=1)
            print(
                f"{EXACT}: gradients after {reference.wait()['ready_s']:.1f} s", file=sys.stderr, flush=True
            )
            reference.close()
        try:
            for way in ways:
                worker = workers[way] = begun(way, WARM)
                facts[way] = worker.wait()
                ready = "ready after {ready_s:.1f} s" if "ready_s" in facts[way] else "{why}"
                print(f"{way}: {ready.format(**facts[way])}", file=sys.stderr, flush=True)
            turns: dict[str, Seconds] = {way: [] for way in ways if "ready_s" in facts[way]}
            for _ in range(rounds):
                for way, seconds in turns.items():
                    seconds += workers[way].step(1)
        finally:
            for worker in workers.values():
                worker.close()
        right = torch.load(files[EXACT if exact else next(iter(turns))], weights_only=True)
        for way in turns:
            facts[way]["gradients"] = difference(torch.load(files[way], weights_only=True), right)
    return turns, facts


def table(turns: dict[str, Seconds], facts: dict[str, dict[str, Any]], images: int) -> list[str]:
    first = next(iter(turns))
    lines = [
        f"| way | images/s, median | least–most | processor s a step | × {first} (least–most) | × by processor | gradients | GB at most |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for way, fact in facts.items():
        if way not in turns:
            lines.append(f"| {way} | {fact['why']} | – | – | – | – | – | – |")
            continue
        clocks, processors = zip(*turns[way], strict=True)
        ratio, by_processor = ratios(turns, way)
        gradients = f"{fact['gradients']:.1e}" if "gradients" in fact else "–"
        lines.append(
            f"| {way} | {images / median(clocks):.1f} | {images / max(clocks):.1f}–{images / min(clocks):.1f} "
            f"| {median(processors):.2f} | {median(ratio):.2f} ({min(ratio):.2f}–{max(ratio):.2f}) "
            f"| {median(by_processor):.2f} | {gradients} | {fact['bytes'] / 1e9:.2f} |"
        )
    return lines


def ratios(turns: dict[str, Seconds], way: str) -> tuple[list[float], list[float]]:
    """How much faster than the first way in each turn: by the clock, and by processor time."""
    pairs = list(zip(turns[next(iter(turns))], turns[way], strict=True))
    return [a[0] / b[0] for a, b in pairs], [a[1] / b[1] for a, b in pairs]


def wanted(turns: dict[str, Seconds]) -> list[str]:
    """Bars of the CPU, against the ancestors' step at batch 24."""
    if next(iter(turns)) != ANCESTOR or DEFAULT not in turns:
        return []
    speed = {way: median(ratios(turns, way)[0]) for way in turns}
    best = max(speed, key=lambda way: speed[way])
    rows = [(DEFAULT, speed[DEFAULT], DEFAULT_BAR), (f"the best, {best}", speed[best], BEST_BAR)]
    return [
        f"* {name}: {found:.2f} ×, wanted ≥ {bar:g} ×: {'met' if found >= bar else 'MISSED'}"
        for name, found, bar in rows
    ]


def build_parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train_step",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--quick",
        action="store_true",
        help="batches of 8, 3 rounds, the ancestors' step and the trainer's alone; no file",
    )
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N (%(default)s)")
    add("--batch-size", type=int, metavar="N", help="images a step (24; 8 with --quick)")
    add("--resolution", type=int, default=300, metavar="PX", help="width and height (%(default)s)")
    add("--threads", type=int, default=0, metavar="N", help="CPU threads; 0 = torch's default (%(default)s)")
    add("--rounds", type=int, metavar="N", help="turns (7; 3 with --quick)")
    add("--ways", nargs="+", choices=list(WAYS), metavar="WAY",
        help=f"of {', '.join(map(repr, WAYS))} (all; on a CPU the first three and fused, compile; with --quick the first and the third)")  # fmt: skip
    add("--no-file", action="store_true", help="print only")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    asked = build_parser().parse_args(argv)
    preset: dict[str, Any] = QUICK if asked.quick else WHOLE
    images = asked.batch_size or preset["batch_size"]
    rounds = asked.rounds or preset["rounds"]
    device = choose_device(asked.device)
    ways = asked.ways or preset["ways"] or (list(WAYS) if device.type == "cuda" else ON_A_CPU)
    told = {"device": str(device), "batch_size": images, "resolution": [asked.resolution]}
    threads = asked.threads or torch.get_num_threads()
    before = os.getloadavg()[0]
    exact = device.type == "cpu" and not asked.quick
    turns, facts = measure(told, ways, threads, rounds, exact)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "on the CPU"
    lines = [
        f"# A training step of mb2-ssd-lite, {processor()}, {where}, {today()}",
        "",
        (f"{images} images of {asked.resolution}×{asked.resolution} a step, {threads} CPU threads, {rounds} turns, Python "
         f"{platform.python_version()}, torch {torch.__version__}; gradients beside those of {EXACT if exact else next(iter(facts))}; load average {before:.1f} before and {os.getloadavg()[0]:.1f} after."),
        "",
        *table(turns, facts, images),
        "",
        *(wanted(turns) if device.type == "cpu" and images == WHOLE["batch_size"] else []),
    ]  # fmt: skip
    print(text := "\n".join(lines))
    if not (asked.no_file or asked.quick):
        words = sys.argv[1:] if argv is None else argv
        publish("train_step", " ".join(["python -m benchmarks.train_step", *words]), text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
