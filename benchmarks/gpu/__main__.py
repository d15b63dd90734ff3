"""Measure the whole trainer on this machine's GPU: way by way of computing, feed by feed, within 9 minutes.

    ./benchmarks/gpu.sh             # needs a GPU; writes benchmarks/results/gpu-<GPU>_<processor>_<date>.md after each run
    ./benchmarks/gpu.sh --quick     # does it work? tiny, on a CPU too, within 2 minutes; writes no file

It makes its own data: images are rendered, go through the stages and are packed, in a temporary folder. Then it runs train_ssd.py with
configs/coco_mb2_ssd_lite.yaml, once a row of the table, what is worth most first: the best way by each feed, each way by the fastest
feed, then the rest. A run that fails or takes too long is a row with its reason; what the time does not allow is left out by name.
Ways add up: eager (float32), amp, channels_last, fused, compile, graphs. Each image is shown many times, so that an epoch is
as long as one of COCO; a timed window of some seconds in it is what counts. "ring": as if the pack did not fit into the GPU's memory.

* waiting: of the trainer's time, for the next batch    * idle: of the GPU's time, without any kernel (nvidia-smi)
* of the limit: images/s, as a share of what memory alone would allow. Each activation of a convolution is moved five times at least (written
  and read; its gradient written and read; read again for the weights), at the rate of a copy that is measured in the same run.
* epoch: of train2017 (118,287 images), and 300 of them, without validation
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
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.worker import Asked, words_of
from benchmarks.results import device as processor
from benchmarks.results import publish, slug, today
from vision.core.sample import InputSpec
from vision.datasets.loading import PREFETCH
from vision.engine.machine import choose_device
from vision.engine.options.data import CORES
from vision.messages.terminal import counted
from vision.ssd.cost import cost
from vision.ssd.variants import find

REPOSITORY = Path(__file__).resolve().parents[2]
WORKER = "from benchmarks.gpu.worker import main; main()"
NET, COCO_IMAGES, MOVES = "mb2-ssd-lite", 118_287, 5
BEST = "amp, channels_last"
_COMPILED = ["--amp=auto", "--channels-last=true", "--fused", "--compile"]
WAYS: dict[str, list[str]] = {
    "eager": ["--amp=off", "--channels-last=false"],
    "amp": ["--amp=auto", "--channels-last=false"],
    BEST: ["--amp=auto", "--channels-last=true"],
    f"{BEST}, fused": ["--amp=auto", "--channels-last=true", "--fused"],
    f"{BEST}, fused, compile": _COMPILED,
    f"{BEST}, fused, compile, graphs": [*_COMPILED, "--cuda-graphs"],
}
RING = " by a ring"
"""Behind a feed on the device whose records are sent there for each batch."""
BATCHES, STEP_BYTES_AN_IMAGE = (128, 64, 32, 16, 8, 4), 200e6
"""What is tried by default, and what mb2-ssd-lite takes at 300×300 in float32, at most."""
CONTEXT_BYTES = 1e9
"""What CUDA takes of a GPU for one process more."""
WORKERS = min(CORES, 16)

Row = dict[str, Any] | str
"""What a run has measured, or why it has not."""


@dataclass(frozen=True)
class Plan:
    """images: rendered; packs: to be made; run_s: of one run at most, compiled_s of one that compiles; whole_s: of all."""

    images: int
    batch: int
    resolution: int
    window: Asked
    packs: tuple[str, ...]
    ways: tuple[str, ...]
    run_s: float = 90
    compiled_s: float = 180
    whole_s: float = 520

    @property
    def feeds(self) -> list[str]:
        """The one that should be the fastest first."""
        raw = [f"device:{name}" for name in self.packs if not name.startswith("jpeg")]
        return [*raw, *(name + RING for name in raw), *reversed(self.packs), "jpeg"]

    @property
    def runs(self) -> list[tuple[str, str]]:
        """What is worth most comes first: the best way by each feed, each way by the first feed, then the rest; compiling last."""

        def rank(run: tuple[str, str]) -> tuple[bool, bool, bool]:
            way, feed = run
            return way != BEST, way != BEST and feed != self.feeds[0], "compile" in way

        return sorted(((way, feed) for way in self.ways for feed in self.feeds), key=rank)


BEGUN = PREFETCH * WORKERS + 8
"""Steps until what the workers had ready at the first one is used."""
WHOLE = Plan(512, 128, 300, Asked(max(20, BEGUN), 30, 6.0, 232), ("jpeg-512", "yuv420-384"), tuple(WAYS))
QUICK = Plan(
    24, 4, 64, Asked(2, 5, 0.5, 40), ("yuv420-96",), ("eager", BEST), run_s=60, compiled_s=60, whole_s=120
)


def batch_for(free_bytes: float) -> int:
    """The largest of ``BATCHES`` whose step fits."""
    return next((batch for batch in BATCHES if batch * STEP_BYTES_AN_IMAGE <= free_bytes), BATCHES[-1])


def make_data(folder: Path, plan: Plan) -> Path:
    """A data root with its packs, by the public stages, whose words go to stderr."""
    from pipeline.__main__ import main as stages
    from pipeline.miniature.__main__ import main as render
    from pipeline.pack.__main__ import main as pack
    from tools.demo import mirror

    release, root = folder / "release", folder / "root"
    with redirect_stdout(sys.stderr):
        render(["--output", str(release), "--train", str(plan.images), "--val", "8"])
        with mirror(release) as url:
            words = ["run", "--root", str(root), "--release", str(release / "release.json"), "--mirror", url]
            if stages(words):
                raise SystemExit("the stages have failed")
        for name in plan.packs:
            pack_format, _, size = name.partition("-")
            if pack(["--root", str(root), "--format", pack_format, "--size", size]):
                raise SystemExit(f"{name}: the pack has failed")
    return root


def run(folder: Path, root: Path, plan: Plan, device: str, way: str, feed: str, limit_s: float) -> Row:
    """One row, in a process of its own that is ended after ``limit_s``."""
    place, result = folder / f"run-{time.monotonic_ns()}", folder / "result.json"
    result.unlink(missing_ok=True)
    words = [
        "--config", "configs/coco_mb2_ssd_lite.yaml", "--datasets", root, "--resolution", plan.resolution,
        "--batch-size", plan.batch, "--lr", plan.batch / 1280, "--device", device, "--feed", feed.removesuffix(RING),
        "--workers", WORKERS, "--checkpoint-folder", place, "--panels-every", 0, "--report", "false", *WAYS[way],
    ]  # fmt: skip
    asked = replace(plan.window, ring=feed.endswith(RING))
    worker = [sys.executable, "-c", WORKER, *words_of(result, asked, [*map(str, words)])]
    with tempfile.TemporaryFile("w+") as said:  # no pipe, which its workers would hold open
        process = subprocess.Popen(worker, cwd=REPOSITORY, stdout=said, stderr=said, start_new_session=True)
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return f"ended after {limit_s:.0f} s"
        finally:
            with suppress(ProcessLookupError):  # with its workers
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if code or not result.exists():
            said.seek(0)
            return _reason(said.read(), code)
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def _reason(said: str, code: int) -> str:
    """The line that names what went wrong, and all of it to stderr."""
    lines = said.strip().splitlines()
    print(*lines[-20:], sep="\n", file=sys.stderr)
    named = [line for line in lines if line.startswith(("train_ssd.py: ", "error: "))]
    last = [line for line in lines if not line.startswith(" ")][-1:]
    return (named or last or [f"ended with {code}"])[-1][:120].replace("|", "/")


def copy_rate(device: torch.device, quick: bool) -> float:
    """Bytes a second that a copy reads and writes on ``device``."""
    source = torch.ones(1 << (24 if quick else 30), dtype=torch.uint8, device=device)
    target, rates = torch.empty_like(source), []
    for _ in range(5):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        began = time.perf_counter()
        target.copy_(source)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        rates.append(2 * source.numel() / (time.perf_counter() - began))
    return max(rates)


def moved_bytes(resolution: int, way: str, device: torch.device) -> float:
    """That an image of a training step has to move at least: activations of all convolutions, ``MOVES`` times."""
    layers = cost(find(NET), input_spec=InputSpec(resolution, resolution)).layers
    values = sum(channels * height * width for layer in layers for channels, height, width in [layer.output])
    return float(values * MOVES * (2 if "amp" in way and device.type == "cuda" else 4))


def table(rows: dict[tuple[str, str], Row], plan: Plan, rate: float, device: torch.device) -> list[str]:
    lines = [
        "| way | --feed | images/s | waiting | idle | GB at most | first step after, s | of the limit | epoch, min | 300 epochs, h |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (way, feed), row in sorted(rows.items(), key=lambda each: list(WAYS).index(each[0][0])):
        if isinstance(row, str):
            lines.append(f"| {way} | {feed} | {row} |" + " – |" * 7)
            continue
        speed = plan.batch / row["step_s"]
        limit = rate / moved_bytes(plan.resolution, way, device)
        minutes = COCO_IMAGES / speed / 60
        idle = "–" if row["idle"] is None else f"{row['idle']:.0%}"
        lines.append(
            f"| {way} | {feed} | {speed:,.1f} | {row['waiting']:.0%} | {idle} | {row['bytes'] / 1e9:.2f} | {row['first_step_s']:.1f} "
            f"| {speed / limit:.0%} of {limit:,.0f} | {minutes:,.1f} | {minutes * 5:,.1f} |"
        )
    return lines


def fastest(rows: dict[tuple[str, str], Row], plan: Plan) -> str:
    """The last line: what to take, and how long COCO takes by it."""
    good = [(plan.batch / row["step_s"], *run) for run, row in rows.items() if not isinstance(row, str)]
    if not good:
        return "nothing was measured"
    speed, way, feed = max(good)
    minutes = COCO_IMAGES / speed / 60
    words = " ".join(WAYS[way]) + f" --feed {feed.removesuffix(RING)}"
    return (
        f"Fastest: {way}, {feed}: {speed:,.1f} images/s; an epoch of COCO in {minutes:,.1f} min, 300 in {minutes * 5:,.1f} h, "
        f"by `{words}`"
    )


def measured(
    folder: Path, plan: Plan, device: torch.device, began: float, told: Callable[[dict[tuple[str, str], Row]], None]
) -> dict[tuple[str, str], Row]:  # fmt: skip
    """All runs in their order as long as there is time since ``began``; what is there is ``told`` after each."""
    rows: dict[tuple[str, str], Row] = {}
    root = make_data(folder, plan)
    for number, (way, feed) in enumerate(plan.runs, start=1):
        left = plan.whole_s - (time.monotonic() - began)
        enough = min(left, plan.compiled_s if "compile" in way else plan.run_s)
        if left < plan.run_s / 3 or ("graphs" in way and device.type == "cpu"):
            rows[way, feed] = "left out: the time was up" if left < plan.run_s / 3 else "left out: no GPU"
            continue
        rows[way, feed] = row = run(folder, root, plan, str(device), way, feed, enough)
        said = row if isinstance(row, str) else f"{plan.batch / row['step_s']:,.1f} images/s"
        print(
            f"{number} of {len(plan.runs)}, {time.monotonic() - began:.0f} s: {way}, {feed}: {said}",
            file=sys.stderr, flush=True,
        )  # fmt: skip
        told(rows)
    told(rows)
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    assert __doc__ is not None
    began = time.monotonic()
    parser = argparse.ArgumentParser(
        prog="benchmarks/gpu.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="try it out: tiny images, few steps, a CPU will do, no file"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N (%(default)s)")
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help="images a step; default: 128, or what fits into the memory that is free"
    )  # fmt: skip
    parser.add_argument("--no-file", action="store_true", help="print only")
    asked = parser.parse_args(argv)
    plan, device = QUICK if asked.quick else WHOLE, choose_device(asked.device)
    if device.type == "cpu" and not asked.quick:
        parser.error("torch sees no GPU: python -m tools.doctor says why; --quick runs on a CPU")
    if asked.batch_size is not None and asked.batch_size < 1:
        parser.error(f"--batch-size {asked.batch_size}: expected 1 or more")
    rate = copy_rate(device, asked.quick)
    if not asked.quick:
        torch.cuda.empty_cache()  # of the copy: this process keeps its memory while others measure
        plan = replace(plan, batch=batch_for(torch.cuda.mem_get_info(device)[0] - CONTEXT_BYTES))
    plan = replace(plan, batch=asked.batch_size or plan.batch)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    text = ""

    def told(rows: dict[tuple[str, str], Row]) -> None:
        nonlocal text
        text = "\n".join([
            f"## The whole trainer on {name}, {today()}", "",
            (f"{processor()}, {counted(CORES, 'core')}, --workers {WORKERS}, torch {torch.__version__}; {NET}, "
            f"{counted(plan.batch, 'image')} of {plan.resolution}×{plan.resolution} a step, {plan.images} rendered images, each many times; "
            f"a copy moves {rate / 1e9:,.0f} GB/s"), "",
            *table(rows, plan, rate, device), "",
            fastest(rows, plan),
        ])  # fmt: skip
        if not (asked.quick or asked.no_file):
            publish(f"gpu-{slug(name)}", "./benchmarks/gpu.sh", text, say=False)

    with tempfile.TemporaryDirectory() as folder:
        rows = measured(Path(folder), plan, device, began, told)
    print(text)
    return 0 if any(not isinstance(row, str) for row in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
