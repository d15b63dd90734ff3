"""Measure what the remap and the index of COCO's annotations take on one core: seconds and memory.

    python -m benchmarks.annotations               # 118,287 + 5,000 images, 860,001 + 36,781 annotations; needs 2 GB of disk and minutes;
                                                   # writes benchmarks/results/annotations_<device>_<date>.md
    python -m benchmarks.annotations --share 0.1 --no-file

The files have COCO's size and shape and random numbers (``benchmarks/annotations/synthetic.py``); no images are
needed, since the table of the image check is written as if all were sound. What is measured are the real commands in
processes of their own, pinned to one core: with the start of Python, the digests of inputs and outputs and the receipt.
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
import re
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.annotations.synthetic import TRAIN, VAL, write_annotations
from benchmarks.results import device, publish, today
from pipeline.annotations.reader import AnnotationFile
from vision.artefacts.data_layout import IMAGE_REPORT, original_path

SECONDS_LIMIT, PEAK_LIMIT = 90, 2e9
STAGES = ("pipeline.remap_categories", "pipeline.index")
NAIVE = "json.load"


class Cost(NamedTuple):
    """Of one process: wall-clock and processor seconds, and the most memory that it held, bytes."""

    seconds: float
    processor: float
    peak: int


def make_root(root: Path, share: float) -> int:
    """Annotation files of ``share`` of COCO's length and the table of their images; returns the bytes of train's."""
    (root / "annotations").mkdir(parents=True)
    (root / "report").mkdir()
    sizes = {}
    with (root / IMAGE_REPORT).open("w") as table:
        for split, (images, annotations), first in (("train", TRAIN, 1), ("val", VAL, 2_000_000)):
            path = root / original_path(split)
            counts = max(2, round(images * share)), round(annotations * share)
            sizes[split] = write_annotations(path, *counts, seed=first, first_id=first)
            table.writelines(_verdicts(split, path))
    return sizes["train"]


def _verdicts(split: str, path: Path) -> Iterator[str]:
    with AnnotationFile(path) as file:
        for image in file.items("images"):
            row = {"split": split, "image_id": image["id"], "file_name": image["file_name"], "verdict": "ok"}
            row |= {"reason": None, "width": image["width"], "height": image["height"]}
            yield json.dumps(row) + "\n"


def cost_of(what: str, root: Path) -> Cost:
    """Runs one stage (or the naive reader) in a process of its own on one core."""
    command = [sys.executable, "-m", "benchmarks.annotations", "--measure", what, "--root", str(root)]
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=None, text=True, check=True)
    seconds = time.perf_counter() - began
    processor, peak = json.loads(done.stdout.splitlines()[-1])
    return Cost(seconds, processor, peak)


def measure(what: str, root: Path) -> None:
    """In that process. VmHWM, since ru_maxrss begins with what the parent held."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if what == NAIVE:
        with (root / original_path("train")).open("rb") as file:
            json.load(file)
    else:
        sys.argv = [what, "--root", str(root)]
        try:
            runpy.run_module(what, run_name="__main__")
        except SystemExit as left:
            if left.code:
                raise
    status = Path("/proc/self/status").read_text()
    peak = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024
    print(json.dumps([time.process_time(), peak]))


def table(costs: dict[str, Cost], train_bytes: int, share: float) -> list[str]:
    together = Cost(
        sum(costs[stage].seconds for stage in STAGES),
        sum(costs[stage].processor for stage in STAGES),
        max(costs[stage].peak for stage in STAGES),
    )
    lines = [
        f"## Annotations, {today()}",
        "",
        (
            f"{device()}, one core, Python {platform.python_version()}; instances_train2017.json of "
            f"{train_bytes / 1e6:,.0f} MB ({share:.0%} of COCO's length) and val; load average {os.getloadavg()[0]:.1f} "
            "at the end"
        ),
        "",
        "| what | seconds | of processor | peak memory, MB |",
        "|---|---:|---:|---:|",
    ]
    for name, cost in {**costs, "remap and index": together}.items():
        lines.append(f"| {name} | {cost.seconds:.1f} | {cost.processor:.1f} | {cost.peak / 1e6:,.0f} |")
    met = {True: "met", False: "MISSED"}
    if share < 1:
        return [*lines, "", "* what is wanted is wanted of the whole length", ""]
    return [
        *lines, "",
        f"* together {together.seconds:.1f} s, wanted ≤ {SECONDS_LIMIT} s: {met[together.seconds <= SECONDS_LIMIT]}",
        f"* peak {together.peak / 1e6:,.0f} MB, wanted < {PEAK_LIMIT / 1e6:,.0f} MB: {met[together.peak < PEAK_LIMIT]}",
        "",
    ]  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.annotations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--share", type=float, default=1.0, help="of COCO's length, 0.1 for a quick look (%(default)s)"
    )
    parser.add_argument(
        "--naive", action="store_true", help="measure json.load of the train file, too (needs 3 GB of memory)"
    )
    parser.add_argument("--no-file", action="store_true", help="print only")
    parser.add_argument("--measure", choices=(*STAGES, NAIVE), help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(argv)
    if asked.measure:
        measure(asked.measure, asked.root)
        return 0
    with tempfile.TemporaryDirectory(prefix="annotations-") as name:
        root = Path(name) / "data"
        train_bytes = make_root(root, asked.share)
        ways = (*STAGES, NAIVE) if asked.naive else STAGES
        text = "\n".join(table({way: cost_of(way, root) for way in ways}, train_bytes, asked.share))
    print(text)
    if not asked.no_file:
        command = "python -m benchmarks.annotations" + (" --naive" if asked.naive else "")
        publish("annotations", command, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
