"""Measure how long ``python -m pipeline run`` takes when nothing has to run, at the number of files that COCO has.

    python -m benchmarks.noop                       # about ten minutes, nearly all of it to make the tree; writes benchmarks/results/noop_…
    python -m benchmarks.noop --train 2000 --val 500 --no-file

A release of tiny images in COCO's layout goes through the real stages once; then the same command is measured,
each time in a process of its own, with the folders in the cache of the operating system.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard

    guard()

import argparse
import io
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from benchmarks.results import device, publish, today
from pipeline.miniature.coco_categories import CATEGORIES
from pipeline.miniature.render import write_table, write_zip
from tools.demo import mirror

REPOSITORY = Path(__file__).resolve().parents[1]
TRAIN, VAL = 118_287, 5_000
"""Images of COCO 2017."""
SIDE = 8
COLOURS = 64
LIMIT_S = 3.0


class Measured(NamedTuple):
    """One command: median wall and processor seconds of its process."""

    command: str
    wall_s: float
    processor_s: float


def write_release(folder: Path, images: dict[str, int]) -> Path:
    """Archives of tiny images, a box on each, as a server holds them; returns ``release.json``."""
    notes = {}
    for split, count in images.items():
        names = (f"{split}2017/{number:012d}.jpg" for number in range(1, count + 1))
        members = zip(names, _tiny_images(count), strict=True)
        write_zip(folder / f"zips/{split}2017.zip", members, zipfile.ZIP_STORED)
        notes[f"annotations/instances_{split}2017.json"] = json.dumps(annotation_file(count)).encode()
    write_zip(folder / "annotations/annotations_trainval2017.zip", notes.items(), zipfile.ZIP_DEFLATED)
    return write_table(folder, "tiny")


def _tiny_images(count: int) -> Iterator[bytes]:
    encoded = []
    for colour in range(COLOURS):
        data = io.BytesIO()
        Image.new("RGB", (SIDE, SIDE), (colour * 4, 128, 255 - colour * 4)).save(data, "JPEG")
        encoded.append(data.getvalue())
    for number in range(count):
        yield encoded[number % COLOURS]


def annotation_file(count: int) -> dict[str, Any]:
    """``count`` images with a box each, in COCO's form."""
    numbers = range(1, count + 1)
    box = {"iscrowd": 0, "bbox": [1, 1, 4, 4], "area": 16, "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]]}
    images = [{"id": n, "file_name": f"{n:012d}.jpg", "width": SIDE, "height": SIDE} for n in numbers]
    boxes = [{"id": n, "image_id": n, "category_id": CATEGORIES[n % 80][0], **box} for n in numbers]
    categories = [{"id": id_, "name": name, "supercategory": above} for id_, name, above in CATEGORIES]
    return {"images": images, "annotations": boxes, "categories": categories}


def pipeline(*arguments: str) -> tuple[float, float]:
    """(wall, processor) seconds of ``python -m pipeline …``; its failure ends the benchmark."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "pipeline", *arguments]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(root: Path, rounds: int) -> list[Measured]:
    """Commands that find nothing to do, in turns."""
    commands = {"run": ("run",), "status": ("status",), "verify": ("verify",)}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, words in commands.items():
            seconds[name].append(pipeline(*words, "--root", str(root)))
    return [
        Measured(name, statistics.median(wall for wall, _ in of), statistics.median(cpu for _, cpu in of))
        for name, of in seconds.items()
    ]


def report(files: int, made: tuple[float, float], rounds: int, rows: Sequence[Measured]) -> str:
    facts = f"{device()}, {os.cpu_count()} cores, Python {platform.python_version()}; {files:,} images"
    lines = [
        f"## Nothing to do, {today()}", "",
        f"{facts}; made by the real stages in {made[0]:,.0f} s ({made[1]:,.0f} s of processor); median of {rounds} runs in turns", "",
        "| command | wall s | processor s |", "|---|---|---|",
        *(f"| `python -m pipeline {row.command}` | {row.wall_s:.2f} | {row.processor_s:.2f} |" for row in rows), "",
    ]  # fmt: skip
    met = "met" if rows[0].wall_s <= LIMIT_S else "MISSED"
    return "\n".join([*lines, f"* `run` {rows[0].wall_s:.2f} s, wanted ≤ {LIMIT_S:.0f} s: {met}", ""])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.noop",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--train", type=int, default=TRAIN, help="images of train (%(default)s)")
    parser.add_argument("--val", type=int, default=VAL, help="images of val (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each command (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where the tree is made (the system's temporary folder)")
    parser.add_argument("--no-file", action="store_true", help="print only")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="noop-", dir=asked.folder) as name:
        release = write_release(Path(name) / "server", {"train": asked.train, "val": asked.val})
        root = Path(name) / "root"
        with mirror(release.parent) as url:
            made = pipeline("run", "--root", str(root), "--release", str(release), "--mirror", url)
        text = report(asked.train + asked.val, made, asked.rounds, measure(root, asked.rounds))
        print(text, flush=True)  # before the tree is removed, which can take as long
    if not asked.no_file:
        publish("noop", "python -m benchmarks.noop", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
