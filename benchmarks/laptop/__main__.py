"""Measure the most memory that the laptop profile takes: the whole pipeline, and the trainer by configs/laptop.yaml.

    COCO_MINI=/path/to/coco-mini python -m benchmarks.laptop     # needs 2 GB of disk; writes benchmarks/results/laptop_…
    python -m benchmarks.laptop --share 0 --no-file              # rendered images, no large annotations
    python -m benchmarks.laptop --board --no-file                # the board alone: minutes

* small: all stages and two epochs of training (with validation) on coco-mini where COCO_MINI names it, else on rendered images
* board: an epoch of 64 images with its validation, 4 images a step, 2 workers, with and without ``--memory low``
* large: remap and index, which alone grow with the data set, on annotations of COCO's size (``benchmarks/annotations``)
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

from benchmarks.annotations.__main__ import make_root
from benchmarks.laptop.memory import Peak, peak_of
from benchmarks.results import device, publish, today
from benchmarks.startup.coco_sized import make_root as make_images
from pipeline.miniature.render import MiniatureSpec, write_release
from tools.demo import REPOSITORY, mirror
from vision.messages.terminal import counted

LIMIT, BOARD_LIMIT = 8e9, 1.4e9
BOARD, BOARD_IMAGES = "train_ssd.py, 4 images a step, 2 workers", 64
SELECT = ("--classes", "person", "--min-area", "9216")
SELECT_RENDERED = ("--min-area", "400")
RECIPE = REPOSITORY / "configs/laptop.yaml"


class Failed(Exception):
    """A command did not end well; its last lines."""


def measured(command: Sequence[str], folder: Path) -> Peak:
    log = folder / "log.txt"
    peak = peak_of([sys.executable, *command], log)
    if peak.status:
        raise Failed("\n".join([" ".join(command), *log.read_text(errors="replace").splitlines()[-10:]]))
    return peak


def small(folder: Path, workers: int) -> dict[str, Peak]:
    """The pipeline and the trainer on few images."""
    mini = os.environ.get("COCO_MINI")
    release = (
        Path(mini) if mini else write_release(folder / "release", MiniatureSpec(train=200, val=80)).parent
    )
    root, table = str(folder / "small"), str(release / "release.json")
    select = SELECT if mini else SELECT_RENDERED
    with mirror(release) as url:
        stages = ["-m", "pipeline", "run", "--root", root, "--release", table, "--mirror", url]
        pipeline = measured([*stages, "--workers", str(workers), *select], folder)
    train = [str(REPOSITORY / "train_ssd.py"), "--config", str(RECIPE), "--datasets", root, "--epochs", "2"]
    trainer = measured([*train, "--checkpoint-folder", str(folder / "run")], folder)
    images = "coco-mini" if mini else "rendered images"
    return {f"pipeline run, {images}": pipeline, f"train_ssd.py, two epochs, {images}": trainer}


def large(folder: Path, share: float) -> dict[str, Peak]:
    """The stages whose memory grows with the annotations."""
    root = folder / "large"
    make_root(root, share)
    words = ["--root", str(root)]
    return {
        f"{name}, {share:.0%} of COCO's length": measured(["-m", f"pipeline.{name}", *words, *more], folder)
        for name, more in (("remap_categories", SELECT), ("index", ()))
    }


def board(folder: Path) -> dict[str, Peak]:
    """The trainer as a board with 4 GB runs it, by default and holding as little as it can."""
    root = make_images(folder / "board", BOARD_IMAGES, BOARD_IMAGES)
    words = ["--batch-size", "4", "--workers", "2", "--epochs", "1", "--device", "cpu", "--report", "false", "--panels-every", "0"]  # fmt: skip
    train = [str(REPOSITORY / "train_ssd.py"), "--datasets", str(root), *words]
    return {
        " ".join([BOARD, *more]): measured(
            [*train, "--checkpoint-folder", str(folder / f"board-run-{number}"), *more], folder
        )
        for number, more in enumerate(([], ["--memory", "low"]))
    }


def report(peaks: dict[str, Peak]) -> str:
    lines = [
        f"## Laptop, {today()}", "",
        f"{device()}, {counted(os.cpu_count() or 1, 'core')}, Python {platform.python_version()}; load average {os.getloadavg()[0]:.1f} at the end", "",
        "| what | peak memory of all its processes, MB | of it in no file | processes then | seconds |", "|---|---:|---:|---:|---:|",
    ]  # fmt: skip
    lines += [
        f"| {name} | {p.bytes / 1e6:,.0f} | {p.anonymous / 1e6:,.0f} | {p.processes} | {p.seconds:.0f} |"
        for name, p in peaks.items()
    ]
    worst = max(peak.bytes for peak in peaks.values())
    lines += ["", f"* the most: {worst / 1e9:.2f} GB, wanted < {LIMIT / 1e9:.0f} GB: {_met(worst < LIMIT)}"]
    lines += [
        f"* {name}: {peak.bytes / 1e9:.2f} GB, wanted ≤ {BOARD_LIMIT / 1e9:.1f} GB: {_met(peak.bytes <= BOARD_LIMIT)}"
        for name, peak in peaks.items()
        if BOARD in name
    ]
    return "\n".join(lines)


def _met(is_so: bool) -> str:
    return "met" if is_so else "MISSED"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.laptop",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="of the length of COCO's annotations; 0 leaves them out (%(default)s)",
    )
    parser.add_argument("--workers", type=int, default=2, help="processes of the stages (%(default)s)")
    parser.add_argument("--board", action="store_true", help="the board's training alone")
    parser.add_argument("--no-file", action="store_true", help="print only")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="laptop-") as name:
        folder = Path(name)
        try:
            peaks = {} if asked.board else small(folder, asked.workers)
            peaks |= board(folder)
            peaks |= large(folder, asked.share) if asked.share and not asked.board else {}
        except Failed as error:
            print(f"{parser.prog}: {error}", file=sys.stderr)
            return 1
    print(text := report(peaks))
    if not asked.no_file:
        words = (
            ["--board"] if asked.board else ["--share", f"{asked.share:g}", "--workers", str(asked.workers)]
        )
        publish(
            "laptop-board" if asked.board else "laptop",
            " ".join(["python -m benchmarks.laptop", *words]),
            text,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
