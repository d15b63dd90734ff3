"""Measure how long it takes from the command to the first step on an index of COCO's size, and what annotations add to a worker.

    python -m benchmarks.startup           # writes benchmarks/results/startup_<device>_<date>.md
    python -m benchmarks.startup --quick   # under a minute on an idle machine: one round, no file

``train_ssd.py`` itself, in a process of its own, on 118,287 + 5,000 images (``coco_sized.py``) and in turns on 64: what
the first takes more is the size of the index. Imports are timed as they happen and told apart. Linux, for the memory.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.annotations.synthetic import TRAIN, VAL
from benchmarks.results import device, publish, today
from benchmarks.startup.coco_sized import make_root
from benchmarks.startup.probe import BATCH, WORKERS

START_LIMIT, WORKER_LIMIT, MEMORY_LIMIT = 3.0, 1.0, 5e6
SMALL = 64
REPOSITORY = Path(__file__).parents[2]
Found = list[dict[str, float]]


def words_of(root: Path, run: Path) -> list[str]:
    """The trainer's command line: its defaults, but two workers, and one step of few images."""
    return [
        "--datasets", str(root), "--checkpoint-folder", str(run), "--workers", str(WORKERS), "--batch-size", str(BATCH),
        "--stop-after-step", "1", "--report", "false", "--panels-every", "0", "--device", "cpu",
    ]  # fmt: skip


def probe(*words: str) -> dict[str, float]:
    """The last line that the process prints. Raises CalledProcessError where it fails."""
    command = [sys.executable, "-m", "benchmarks.startup.probe", *words]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    return {str(name): float(value) for name, value in json.loads(done.stdout.splitlines()[-1]).items()}


def measure(roots: dict[str, Path], folder: Path, rounds: int) -> tuple[dict[str, Found], Found]:
    """What the trainer took on each root, and the workers on the first, in turns."""
    starts: dict[str, Found] = {name: [] for name in roots}
    workers: Found = []
    for round_ in range(rounds):
        for name, root in roots.items():
            run = folder / f"run-{round_}-{root.name}"
            starts[name].append(probe("train", str(time.monotonic()), *words_of(root, run)))
        workers.append(probe("workers", str(next(iter(roots.values())))))
    return starts, workers


def spread(values: Sequence[float]) -> str:
    """Median (least–most)."""
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def after_imports(one: dict[str, float]) -> float:
    """Seconds from the command to the first batch in hand, without imports."""
    return one["batch"] - one["imports"]


def after_imports_processor(one: dict[str, float]) -> float:
    return one["batch_processor"] - one["imports_processor"]


def table(starts: dict[str, Found], workers: Found) -> list[str]:
    lines = [
        "| index | imports, s | of processor | all else up to the first step, s | of processor | the first step, s |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, found in starts.items():
        cells = [
            [one["imports"] for one in found],
            [one["imports_processor"] for one in found],
            [after_imports(one) for one in found],
            [after_imports_processor(one) for one in found],
            [one["step"] - one["batch"] for one in found],
        ]
        lines.append(f"| {name} | {' | '.join(map(spread, cells))} |")
    first = next(iter(starts.values()))
    start, begun = median(map(after_imports, first)), median(one["start"] for one in workers)
    reading, private, shared = (
        [one[name] / 1e6 for one in workers] for name in ("reading", "private", "share")
    )
    return [
        *lines, "",
        f"* from the command to the first step, without imports: {start:.2f} s, wanted ≤ {START_LIMIT:g} s: {_met(start <= START_LIMIT)}",
        (f"* a worker begins its first image after {spread([one['start'] for one in workers])} s, wanted ≤ {WORKER_LIMIT:g} s: "
        f"{_met(begun <= WORKER_LIMIT)}; {spread([one['start_processor'] for one in workers])} s of its processor time"),
        (f"* all annotations, read by a worker, add {spread(private)} MB that it alone holds (USS), wanted ≤ {MEMORY_LIMIT / 1e6:g} MB: "
        f"{_met(median(private) <= MEMORY_LIMIT / 1e6)}; {spread(shared)} MB with its share of the mapped files (PSS). Reading those "
        f"of one image as often before that: {spread(reading)} MB"),
        "",
    ]  # fmt: skip


def _met(is_so: bool) -> str:
    return "met" if is_so else "MISSED"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.startup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="one round on COCO's size alone, print only")
    parser.add_argument("--rounds", type=int, help="starts of each; their median counts (3; 1 with --quick)")
    parser.add_argument("--no-file", action="store_true", help="print only")
    asked = parser.parse_args(argv)
    rounds = asked.rounds or (1 if asked.quick else 3)
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="startup-") as name:
        folder = Path(name)
        roots = {f"{TRAIN[0]:,} + {VAL[0]:,} images": make_root(folder / "large")}
        if not asked.quick:
            roots[f"{SMALL} + {SMALL} images"] = make_root(folder / "small", SMALL, SMALL)
        found = table(*measure(roots, folder, rounds))
    lines = [
        f"## Start-up, {today()}", "",
        (f"{device()}, {os.cpu_count()} cores, Python {platform.python_version()}; mb2-ssd-lite, {WORKERS} workers, {BATCH} images a "
        f"step; median (least–most) of {rounds} rounds; load average {before:.1f} before and {os.getloadavg()[0]:.1f} after"), "",
        *found,
    ]  # fmt: skip
    print(text := "\n".join(lines))
    if not (asked.no_file or asked.quick):
        words = sys.argv[1:] if argv is None else argv
        publish("startup", " ".join(["python -m benchmarks.startup", *words]), text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
