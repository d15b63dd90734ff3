"""Images a second of a whole training step, by the ways there are to make it faster, and the memory each needs.

    python -m benchmarks.train_step                          # on the GPU where there is one, else on the CPU
    python -m benchmarks.train_step --batch-size 8 --steps 4

mb2-ssd-lite with 81 classes; forward, matching, loss, backward, clipped update of SGD and moving average, as
``train_ssd.py`` does them. The batch is the same one each time and is on the host, where a loader leaves it: what
feeding costs is in ``benchmarks.augmentation``. All ways are measured in turns in one process; the median of the rounds
counts. A way that this device or installation does not have is named with the reason. On a GPU the first steps of a way
take 2 to 16 s, in which cuDNN builds its kernels, and those of ``compile`` longer.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard

    guard()

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks.results import device as processor
from benchmarks.results import publish, today
from benchmarks.stages import in_turns
from vision.core.sample import Batch, InputSpec
from vision.engine import machine
from vision.engine.distributed import Group
from vision.engine.interrupt import StopRequest
from vision.engine.machine import keep_freed_memory
from vision.engine.model import to_device, wrap_model
from vision.engine.optim import build_optimizer, build_schedule
from vision.engine.options.config import TrainConfig, build
from vision.engine.runs.metric_logger import NullLogger
from vision.engine.state import seed_everything
from vision.engine.training import start
from vision.engine.training.console import Console
from vision.engine.training.loop import training_mode
from vision.engine.training.session import Session
from vision.engine.training.step import train_step
from vision.ssd.build import build_detector, build_loss
from vision.ssd.variants import find

CLASSES = 81
BOXES_PER_IMAGE = 7  # COCO's mean
UNUSED: Any = None
"""What a step does not look at."""
PLAIN = {"amp": "off", "channels_last": False, "compile": False}
"""The trainer's own defaults are faster than this."""
WAYS: dict[str, dict[str, Any]] = {
    "eager": PLAIN,
    "channels_last": PLAIN | {"channels_last": True},
    "bf16": PLAIN | {"amp": "bf16"},
    "fp16": PLAIN | {"amp": "fp16"},
    "bf16, channels_last": PLAIN | {"amp": "bf16", "channels_last": True},
    "fp16, channels_last": PLAIN | {"amp": "fp16", "channels_last": True},
    "compile": PLAIN | {"compile": True},
    "bf16, channels_last, compile": {"amp": "bf16", "channels_last": True, "compile": True},
}


def a_batch(images: int, spec: InputSpec) -> Batch:
    """Noise with boxes of COCO's number; a step costs the same whatever it sees."""
    draw = torch.Generator().manual_seed(0)
    corners = torch.rand(images, BOXES_PER_IMAGE, 2, 2, generator=draw).sort(dim=2).values
    return Batch(
        torch.randint(0, 256, (images, 3, spec.height, spec.width), dtype=torch.uint8, generator=draw),
        corners.flatten(2), torch.randint(1, CLASSES, (images, BOXES_PER_IMAGE), generator=draw),
        torch.zeros(images, 0, 4), torch.arange(images), torch.tensor([[spec.height, spec.width]] * images),
    )  # fmt: skip


def stepper(config: TrainConfig, device: torch.device, batch: Batch) -> Callable[[], dict[str, Any]]:
    """One step each time it is called. Raises ValueError where ``device`` cannot do what ``config`` says."""
    seed_everything(0)
    amp = machine.amp_dtype(config, device)
    spec = InputSpec(config.resolution[0], config.resolution[-1])
    model = to_device(build_detector(find(config.net), CLASSES, spec, config.mb2_width_mult), config, device)
    state = start.create_train_state(
        model, build_optimizer(model, config), build_schedule(config, 10_000), config, amp
    )
    session = Session(
        config=config, device=device, amp_dtype=amp, network=wrap_model(model, config, Group(), device),
        loss=build_loss(model), order=UNUSED, train=UNUSED, validation=UNUSED, validation_data=UNUSED, run=UNUSED, facts=UNUSED,
        board=NullLogger(), console=Console(), stop=StopRequest(), group=Group(),
    )  # fmt: skip
    training_mode(model, config.freeze_bn)
    return lambda: train_step(state, session, batch)


def warmed(step: Callable[[], object], device: torch.device, times: int) -> int | None:
    """Compiles and tunes; gives the most bytes of GPU memory that the way takes, on top of what was taken before."""
    if device.type == "cpu":
        _times(step, times)
        return None
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    _times(step, times)
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def measure(
    config: dict[str, Any], device: torch.device, ways: Sequence[str], steps: int, rounds: int
) -> list[tuple[str, str, str, str]]:
    """Rows: way, images/s, times eager, MiB."""
    base = build(config)
    batch = a_batch(base.batch_size, InputSpec(base.resolution[0], base.resolution[-1]))
    if device.type == "cuda":
        batch = batch.pin_memory()
    ready: dict[str, Callable[[], object]] = {}
    memory, why_not = {}, {}
    for name in ways:
        try:
            step = stepper(build({**config, **WAYS[name]}), device, batch)
            began = time.perf_counter()
            memory[name] = warmed(step, device, times=3)
            ready[name] = step
            print(f"{name}: ready after {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)
        except (
            ValueError,
            RuntimeError,
        ) as error:  # torch has no narrower one for "cannot be compiled here"
            why_not[name] = str(error).strip().splitlines()[0]
    seconds = in_turns({name: partial(_times, step, steps) for name, step in ready.items()}, rounds)
    rate = {name: steps * base.batch_size / spent for name, spent in seconds.items()}
    first = rate[next(iter(rate))]
    rows = [
        (name, f"{rate[name]:,.1f}", f"{rate[name] / first:.2f}", _mebibytes(memory[name])) for name in ready
    ]
    return rows + [(name, "–", "–", why) for name, why in why_not.items()]


def _times(step: Callable[[], object], count: int) -> None:
    for _ in range(count):
        step()


def _mebibytes(count: int | None) -> str:
    return "–" if count is None else f"{count / (1 << 20):,.0f}"


def build_parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train_step",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N (%(default)s)")
    add("--batch-size", type=int, default=24, metavar="N", help="images a step (%(default)s)")
    add("--resolution", type=int, default=300, metavar="PX", help="width and height (%(default)s)")
    add(
        "--threads",
        type=int,
        default=0,
        metavar="N",
        help="CPU threads of torch; 0 = its default (%(default)s)",
    )
    add("--steps", type=int, default=10, metavar="N", help="steps measured together (%(default)s)")
    add("--rounds", type=int, default=5, metavar="N", help="turns (%(default)s)")
    add("--ways", nargs="+", choices=list(WAYS), metavar="WAY",
        help=f"of {', '.join(map(repr, WAYS))} (all; on a CPU without compile, which takes minutes there)")  # fmt: skip
    add("--output", action="store_true", help="also write benchmarks/results/train_step_<device>_<date>.md")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    keep_freed_memory()  # as the trainer does
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    told = {
        "device": arguments.device,
        "batch_size": arguments.batch_size,
        "resolution": (arguments.resolution,),
    }
    device = machine.choose_device(build(told).device)
    ways = arguments.ways or [name for name in WAYS if device.type == "cuda" or "compile" not in name]
    rows = measure(told, device, ways, arguments.steps, arguments.rounds)
    where = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    )
    lines = [
        f"# A training step of mb2-ssd-lite, {processor()}, {where}, torch {torch.__version__}, {today()}",
        "",
        f"{arguments.batch_size} images of {arguments.resolution}×{arguments.resolution} a step.",
        "",
        "| way | images/s | × the first | MiB of GPU memory, or why not |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    print("\n".join(lines))
    if arguments.output:
        command = "python -m benchmarks.train_step " + " ".join(sys.argv[1:] if argv is None else argv)
        publish("train_step", command, "\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
