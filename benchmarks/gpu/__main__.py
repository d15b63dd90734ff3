"""What the whole trainer does on this machine, way by way and feed by feed, with rendered images that are made first.

    ./benchmarks/gpu.sh             # all of it within 9 minutes, into benchmarks/results/gpu_<device>_<date>.md
    ./benchmarks/gpu.sh --quick     # does it run? tiny, on a CPU too, no file

mb2-ssd-lite, ``--augment ssd``. Ways add up: eager (float32), amp, channels_last, compile; what the trainer has no option for is left
out, and so is what the time does not allow, by name. Steps are timed from inside the trainer, the first of each epoch left out.

* waiting: of the trainer's time, for the next batch    * idle: of the GPU's time, without any kernel (nvidia-smi)
* of the limit: images/s, as a share of what memory alone would allow. Each activation of a convolution is moved five times at least (written
  and read; its gradient written and read; read again for the weights), at the rate of a copy that is measured in the same run.
* minutes: an epoch of train2017 (118,287 images) and 300 of them, without validation
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.results import device as processor
from benchmarks.results import publish, today
from vision.core.sample import InputSpec
from vision.engine.machine import choose_device
from vision.ssd.cost import cost
from vision.ssd.variants import find

REPOSITORY = Path(__file__).resolve().parents[2]
WORKER = "from benchmarks.gpu.worker import main; main()"
NET, COCO_IMAGES, MOVES = "mb2-ssd-lite", 118_287, 5
WAYS: dict[str, list[str]] = {
    "eager": ["--amp=off", "--channels-last=false"],
    "amp": ["--amp=auto", "--channels-last=false"],
    "amp, channels_last": ["--amp=auto", "--channels-last=true"],
    "amp, channels_last, compile": ["--amp=auto", "--channels-last=true", "--compile"],
}


@dataclass(frozen=True)
class Plan:
    """images: rendered; packs: to be made; limit_s: no run begins after it."""

    images: int
    batch: int
    resolution: int
    steps: int
    warm: int
    packs: tuple[str, ...]
    ways: tuple[str, ...]
    limit_s: float

    @property
    def feeds(self) -> list[str]:
        raw = [f"device:{name}" for name in self.packs if not name.startswith("jpeg")]
        return ["jpeg", *self.packs, *raw]


WHOLE = Plan(1536, 128, 300, 70, 20, ("jpeg-512", "yuv420-384"), tuple(WAYS), 480)
QUICK = Plan(24, 4, 64, 7, 2, ("yuv420-96",), ("eager", "amp, channels_last"), 480)


def make_data(folder: Path, plan: Plan) -> Path:
    """A data root with its packs, by the public stages."""
    from pipeline.__main__ import main as stages
    from pipeline.miniature.__main__ import main as render
    from pipeline.pack.__main__ import main as pack
    from tools.demo import mirror

    release, root = folder / "release", folder / "root"
    render(["--output", str(release), "--train", str(plan.images), "--val", "8"])
    with mirror(release) as url:
        words = ["run", "--root", str(root), "--release", str(release / "release.json"), "--mirror", url]
        if stages(words):
            raise SystemExit("the stages have failed")
    for name in plan.packs:
        pack_format, _, size = name.partition("-")
        if pack(["--root", str(root), "--splits", "train", "--format", pack_format, "--size", size]):
            raise SystemExit(f"{name}: the pack has failed")
    return root


def run(folder: Path, root: Path, plan: Plan, device: str, way: str, feed: str) -> dict[str, Any] | str:
    """What a run has measured, or why it has not."""
    place, result = folder / f"run-{time.monotonic_ns()}", folder / "result.json"
    result.unlink(missing_ok=True)
    words = [
        "--datasets", root, "--net", NET, "--resolution", plan.resolution, "--batch-size", plan.batch, "--device", device, "--feed", feed,
        "--checkpoint-folder", place, "--epochs", 10_000, "--validation-epochs", 10_000, "--stop-after-step", plan.steps,
        "--keep-checkpoints", 1, "--panels-every", 0, "--report", "false", *WAYS[way],
    ]  # fmt: skip
    worker = [sys.executable, "-c", WORKER, str(result), str(plan.warm), *map(str, words)]
    done = subprocess.run(worker, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode or not result.exists():
        last = (done.stderr.strip() or done.stdout.strip() or f"ended with {done.returncode}").splitlines()[
            -1
        ]
        return last[:120].replace("|", "/")
    found: dict[str, Any] = json.loads(result.read_text())
    return found


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


def table(
    rows: dict[tuple[str, str], dict[str, Any] | str], plan: Plan, rate: float, device: torch.device
) -> list[str]:
    lines = [
        "| way | --feed | images/s | waiting | idle | GB at most | first step after, s | of the limit | epoch, min | 300 epochs, h |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (way, feed), row in rows.items():
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


def measured(folder: Path, plan: Plan, device: torch.device) -> dict[tuple[str, str], dict[str, Any] | str]:
    """The fastest way first by each feed, then the others, as long as there is time."""
    began, rows = time.monotonic(), {}
    root = make_data(folder, plan)
    for way in sorted(plan.ways, key=lambda way: way != "amp, channels_last"):
        for feed in reversed(plan.feeds):
            late = time.monotonic() - began > plan.limit_s
            row = "left out: the time was up" if late else run(folder, root, plan, str(device), way, feed)
            rows[way, feed] = row
            print(
                f"{way}, {feed}: {row if isinstance(row, str) else plan.batch / row['step_s']}",
                file=sys.stderr,
                flush=True,
            )
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="benchmarks/gpu.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="tiny, no file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N (%(default)s)")
    parser.add_argument("--no-file", action="store_true", help="print only")
    asked = parser.parse_args(argv)
    plan, device = QUICK if asked.quick else WHOLE, choose_device(asked.device)
    if device.type == "cpu" and not asked.quick:
        parser.error("torch sees no GPU: python -m tools.doctor says why; --quick runs on a CPU")
    with tempfile.TemporaryDirectory() as folder:
        rows = measured(Path(folder), plan, device)
    rate = copy_rate(device, asked.quick)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    text = "\n".join([
        f"## The whole trainer on {name}, {today()}", "",
        f"{processor()}, torch {torch.__version__}; {NET}, {plan.batch} images of {plan.resolution}×{plan.resolution} a step, {plan.images} rendered images; a copy moves {rate / 1e9:,.0f} GB/s", "",
        *table(rows, plan, rate, device),
    ])  # fmt: skip
    print(text)
    if not (asked.quick or asked.no_file):
        publish("gpu", "./benchmarks/gpu.sh", text)
    return 0 if any(not isinstance(row, str) for row in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
