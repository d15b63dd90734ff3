"""Measure what a checkpoint costs: time that training waits, bytes, and time until a resumed run makes its first step.

    python -m benchmarks.checkpoint                # prints a table, writes benchmarks/results/checkpoint_<device>_<date>.md

The model is mb2-ssd-lite at 300×300 with 81 classes, Adam and a moving average: everything a checkpoint can hold.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard

    guard()

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.results import device, publish, today
from pipeline.miniature.render import MiniatureSpec, write_release
from tools.demo import mirror
from vision.core.sample import InputSpec
from vision.engine.checkpoints import checkpoint
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.optim import build_optimizer, build_schedule
from vision.engine.options.config import TrainConfig, build
from vision.engine.options.option import to_mapping
from vision.engine.state import TrainState
from vision.engine.training import start
from vision.ssd.build import build_detector
from vision.ssd.variants import find

REPOSITORY = Path(__file__).resolve().parents[1]


def full_state() -> tuple[TrainState, TrainConfig]:
    """A state after one update, so that the optimiser has its moments."""
    config = build({"ema": 0.9998})
    model = build_detector(find(config.net), 81, InputSpec())
    state = start.create_train_state(
        model, build_optimizer(model, config), build_schedule(config, 100), config, None
    )
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    state.optimizer.step()
    assert state.ema is not None
    state.ema.update_parameters(model)
    return state, config


def median_s(work: Callable[[], object], rounds: int) -> float:
    """Median seconds of ``rounds``, after one that does not count."""
    seconds = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])


def measure_file(folder: Path, rounds: int) -> list[tuple[str, str]]:
    state, config = full_state()
    order = {"seed": config.seed, "batch_size": config.batch_size, "length": 100 * config.batch_size}
    classes = ["BACKGROUND", *map(str, range(1, 81))]
    facts = checkpoint.RunFacts(to_mapping(config), classes, list(range(81)), "", order)
    run = RunFolder(folder)
    content = checkpoint.content_of(state, facts, {})
    save_s = median_s(lambda: checkpoint.save(state, run, facts, {"val_loss": 1.0}), rounds)
    path = checkpoint.find(folder)
    loaded = checkpoint.load(path)
    return [
        ("bytes", f"{path.stat().st_size:,}"),
        ("training waits for a save, s", f"{save_s:.3f}"),
        ("… of which copy and serialise", f"{median_s(lambda: checkpoint.as_bytes(content), rounds):.3f}"),
        ("find (digest, guard, load, check), s", f"{median_s(lambda: checkpoint.find(folder), rounds):.3f}"),
        ("load and check one file, s", f"{median_s(lambda: checkpoint.load(path), rounds):.3f}"),
        ("put back into a state, s", f"{median_s(lambda: checkpoint.restore(loaded, state), rounds):.3f}"),
    ]


def measure_resume(folder: Path) -> list[tuple[str, str]]:
    """Processes as users start them: two starts that differ by one step more than a save."""
    from pipeline.__main__ import main as pipeline

    release = write_release(folder / "release", MiniatureSpec(seed=1, train=8, val=2))
    root, run = folder / "data", folder / "resumed"
    with mirror(release.parent) as url:
        pipeline(["run", "--root", str(root), "--release", str(release), "--mirror", url, "--workers", "1"])
    line = [sys.executable, "train_ssd.py", "--batch-size=4", "--workers=0", "--ema=0.99", "--device=cpu"]
    line += [f"--datasets={root}", f"--checkpoint-folder={run}", "--resume=auto", "--validation-map=false"]
    seconds = []
    for step in (1, 2, 3):
        began = time.perf_counter()
        subprocess.run(
            [*line, f"--stop-after-step={step}"], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL
        )
        seconds.append(time.perf_counter() - began)
    return [
        ("fresh start: process, one step, save, end, s", f"{seconds[0]:.1f}"),
        ("resumed: process, one step, save, end, s", f"{min(seconds[1:]):.1f}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.checkpoint",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each (%(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure_file(Path(folder) / "run", arguments.rounds) + measure_resume(Path(folder))
    title = f"Checkpoints of mb2-ssd-lite, {device()}, torch {torch.__version__}, {today()}"
    table = "\n".join(
        [f"# {title}", "", "| what | value |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows), ""]
    )
    print(table)
    publish("checkpoint", "python -m benchmarks.checkpoint", table)


if __name__ == "__main__":
    main()
