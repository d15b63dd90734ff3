"""The peak memory that ``train_ssd.py`` predicts in its banner, and the one that it then has, of nets of several families.

    python -m benchmarks.memory             # writes benchmarks/results/memory_<device>_<date>.md
    python -m benchmarks.memory --quick     # about a minute: two nets, small batches, no file
    python -m benchmarks.memory --nets vgg16-ssd --points 4:full 16:low

Each point is a run of the trainer of a few steps on rendered images in a process of its own, on the CPU, without workers;
measured is the most that it held at one time (``ru_maxrss``). What else the machine does changes the time, not the memory.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.results import device, publish, today
from pipeline.miniature.render import MiniatureSpec, write_release
from tools.demo import REPOSITORY, mirror
from vision.messages.terminal import counted

NETS = (
    "mb1-ssd-lite",
    "mb2-ssd-lite",
    "sq-ssd-lite",
    "mb1-ssd",
    "ssd-fpn-mobilenet-v2",
    "ssdlite320_mobilenet_v3_large",
)
POINTS = ("4:full", "16:full", "16:low")
QUICK_NETS, QUICK_POINTS = ("mb2-ssd-lite", "sq-ssd-lite"), ("4:full", "4:low")
PREDICTED = re.compile(r"peak about ([\d.]+) GB(?:.*; (\d+) of (\d+) blocks? computed again)?")
BAR = 0.10


class Point(NamedTuple):
    """One run: bytes predicted and measured, and what was computed again, in words."""

    net: str
    batch: int
    memory: str
    predicted: float
    measured: float
    again: str

    @property
    def off(self) -> float:
        """By how much more was predicted than measured, of what was measured; below 0: too little."""
        return self.predicted / self.measured - 1


class Failed(Exception):
    """A command did not end well; its last lines."""


def make_root(folder: Path) -> Path:
    """A data root of rendered images."""
    release = write_release(folder / "release", MiniatureSpec(train=64, val=8)).parent
    root = folder / "root"
    with mirror(release) as url:
        words = ["--root", root, "--release", release / "release.json", "--mirror", url]
        run(["-m", "pipeline", "run", *map(str, words)])
    return root


def run(words: Sequence[str]) -> tuple[str, float]:
    """What a command of Python printed, and the most bytes that it held: at least what this process holds, which Linux counts,
    too, and which is below what torch takes. Raises Failed."""
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen([sys.executable, *words], cwd=REPOSITORY, stdout=out, stderr=out)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)  # it is waited for
        out.seek(0)
        said = out.read().decode(errors="replace")
    if child.returncode:
        raise Failed("\n".join([" ".join(words), *said.splitlines()[-10:]]))
    return said, used.ru_maxrss * 1024.0


def measure(net: str, point: str, root: Path, folder: Path, asked: argparse.Namespace) -> Point:
    batch, _, memory = point.partition(":")
    told = {
        "datasets": root, "net": net, "batch-size": batch, "memory": memory, "resolution": asked.resolution, "workers": 0,
        "device": "cpu", "report": "false", "panels-every": 0, "stop-after-step": asked.steps, "checkpoint-folder": folder,
    }  # fmt: skip
    words = [str(word) for name, value in told.items() for word in (f"--{name}", value)]
    said, most = run(["train_ssd.py", *words])
    found = PREDICTED.search(said)
    if found is None:
        raise Failed(f"no prediction in the banner\n{said[-2000:]}")
    again = f"{found[2]} of {found[3]}" if found[2] else "–"
    return Point(net, int(batch), memory, float(found[1]) * 1e9, most, again)


def table(points: Sequence[Point]) -> str:
    lines = [
        "| net | batch | --memory | blocks computed again | predicted, GB | measured, GB | predicted / measured − 1 |",
        "|---|---:|---|---|---:|---:|---:|",
    ]
    lines += [
        f"| {p.net} | {p.batch} | {p.memory} | {p.again} | {p.predicted / 1e9:.1f} | {p.measured / 1e9:.2f} | {p.off:+.0%} |"
        for p in points
    ]
    outside = sum(abs(point.off) > BAR for point in points)
    least = min(point.off for point in points)
    return "\n".join(
        [
            *lines,
            "",
            f"* {counted(outside, 'point')} of {len(points)} more than {BAR:.0%} off; the lowest {least:+.0%}",
        ]
    )


def build_parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--quick",
        action="store_true",
        help=f"{' and '.join(QUICK_NETS)} at {' and '.join(QUICK_POINTS)}; no file",
    )
    add("--nets", nargs="+", metavar="NET", help=f"({' '.join(NETS)})")
    add(
        "--points",
        nargs="+",
        metavar="BATCH:MEMORY",
        help=f"images a step and what --memory is told ({' '.join(POINTS)})",
    )
    add("--resolution", type=int, default=300, metavar="PX", help="width and height (%(default)s)")
    add("--steps", type=int, default=3, metavar="N", help="of each run (%(default)s)")
    add("--no-file", action="store_true", help="print only")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = build_parser()
    asked = parser.parse_args(argv)
    nets = asked.nets or (QUICK_NETS if asked.quick else NETS)
    points = asked.points or (QUICK_POINTS if asked.quick else POINTS)
    found = []
    with tempfile.TemporaryDirectory(prefix="memory-") as name:
        try:
            root = make_root(Path(name))
            for net in nets:
                for point in points:
                    found.append(
                        measure(net, point, root, Path(name) / f"{net}-{point}".replace(":", "-"), asked)
                    )
                    print(f"{net} {point}: {found[-1].off:+.0%}", file=sys.stderr, flush=True)
        except Failed as error:
            print(f"{parser.prog}: {error}", file=sys.stderr)
            return 1
    title = f"## Peak memory, predicted and measured, {today()}"
    where = f"{device()}, {asked.resolution}×{asked.resolution} px, {counted(asked.steps, 'step')} each; load average {os.getloadavg()[0]:.1f} at the end"
    print(text := "\n".join([title, "", where, "", table(found)]))
    if not (asked.no_file or asked.quick or asked.nets or asked.points):
        publish("memory", " ".join([parser.prog, *(sys.argv[1:] if argv is None else argv)]), text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
