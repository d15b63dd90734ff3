"""What is inside a checkpoint, and a digest for each part that is equal if and only if the state is.

python -m tools.inspect_checkpoint models/my-experiment-1            # the newest good one of a run
python -m tools.inspect_checkpoint FILE.pth --digest                 # digests only, one a line
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard, leave

    guard(only_prints=True)

import argparse
import hashlib
import json
import struct
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.problem import tool
from vision.messages.advice import command
from vision.messages.command_line import Parser
from vision.messages.terminal import counted

if TYPE_CHECKING:
    from vision.engine.checkpoints.checkpoint import Checkpoint

PARTS = ("weights", "ema", "optimizer", "scheduler", "scaler", "rng", "sampler", "window", "best", "metrics")
"""What training changes; the digests of all of these are equal exactly where two runs stand at the same point."""


def digest(value: Any) -> str:
    """sha256 (hex) over types, structure, shapes and bits; the order of a dict's keys does not matter."""
    state = hashlib.sha256()
    for piece in _pieces(value):
        state.update(piece)
    return state.hexdigest()


def _pieces(value: Any) -> Iterator[bytes]:
    """A prefix code: every piece says its kind and length, so that no two values give the same bytes."""
    import torch

    if isinstance(value, torch.Tensor):
        yield f"T{value.dtype}{tuple(value.shape)};".encode()
        plain = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        yield plain.reshape(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(value, Mapping):
        yield f"D{len(value)};".encode()
        for key in sorted(value, key=lambda key: (type(key).__name__, str(key))):
            yield from _pieces(key)
            yield from _pieces(value[key])
    elif isinstance(value, (list, tuple)):
        yield f"L{len(value)};".encode()
        for item in value:
            yield from _pieces(item)
    elif isinstance(value, float):
        yield b"F" + struct.pack("<d", value)
    else:
        text = json.dumps(value).encode()
        yield f"{type(value).__name__}{len(text)};".encode() + text


def digests(checkpoint: Checkpoint) -> dict[str, str]:
    """Part → digest, and ``all`` over them and the position."""
    found = {name: digest(getattr(checkpoint, name)) for name in PARTS}
    return {**found, "all": digest([checkpoint.epoch, checkpoint.step, *found.values()])}


def report(checkpoint: Checkpoint, path: Path) -> str:
    """What is inside, for people."""
    weights, args, order = checkpoint.weights, checkpoint.args, checkpoint.sampler
    values = sum(tensor.numel() for tensor in weights.values())
    size = "×".join(map(str, args.get("resolution", [])))
    made_with = [f"{key} {value}" for key, value in checkpoint.versions.items() if value]
    made_with += [f"{counted(checkpoint.threads, 'thread')}", f"{counted(checkpoint.world_size, 'process')}"]
    rows = {
        "file": f"{path} ({path.stat().st_size:,} bytes)",
        "position": f"epoch {checkpoint.epoch}, step {checkpoint.step:,}",
        "resumes": f"with epoch {order['epoch']}, step {order['step']} of it",
        "net": f"{args.get('net')}, {size} px, {counted(len(checkpoint.classes), 'class')} with background",
        "weights": f"{counted(len(weights), 'tensor')}, {counted(values, 'value')}",
        "average": counted(checkpoint.ema["count"], "update") if checkpoint.ema else "none",
        "optimiser": f"{args.get('optim_choose')}, {counted(len(checkpoint.optimizer['state']), 'parameter')} with moments",
        "schedule": ", ".join(f"{key} {value}" for key, value in checkpoint.scheduler.items()),
        "scaler": f"scale {checkpoint.scaler['scale']:g}" if checkpoint.scaler else "none",
        "data": _data_of(checkpoint),
        "order": f"seed {order.get('seed')}, {counted(order['batch_size'], 'image')} a step",
        "metrics": ", ".join(f"{key} {value:.4f}" for key, value in checkpoint.metrics.items()) or "none",
        "made with": ", ".join(made_with),
    }
    return "\n".join(_row(label, value) for label, value in rows.items())


def _row(label: str, value: str) -> str:
    """As wide as a terminal of 80 columns; a path is never broken."""
    label = f"{label:<10} "
    if label.startswith("file"):
        return label + value
    return textwrap.fill(
        value, 79, initial_indent=label, subsequent_indent=" " * len(label), break_on_hyphens=False
    )


def _data_of(checkpoint: Checkpoint) -> str:
    if checkpoint.imported:
        return "none: imported weights"
    parts = [counted(checkpoint.sampler["length"], "image")]
    if checkpoint.data:
        made = checkpoint.data["train"]
        parts += [
            counted(made["boxes"], "box"),
            f"{counted(made['upright'], 'image') if made['upright'] else 'no image'} turned upright (EXIF)",
        ]
    return ", ".join([*parts, f"digest {checkpoint.dataset_digest[:16]}…"])


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m tools.inspect_checkpoint",
        description="Show what is inside a checkpoint, with a digest of each part.",
    )
    parser.add_argument(
        "checkpoint", metavar="FILE_OR_RUN", help="a checkpoint, or a run folder (its newest good one)"
    )
    parser.add_argument("--digest", action="store_true", help="print only the digests, one per line")
    return parser


def inspect(arguments: argparse.Namespace) -> int:
    from vision.engine.checkpoints.checkpoint import find, load

    path = find(arguments.checkpoint, lambda run: command("python -m tools.inspect_checkpoint", run))
    checkpoint = load(path)
    if not arguments.digest:
        print(report(checkpoint, path), end="\n\n")
    for name, value in digests(checkpoint).items():
        print(f"{name:<10} {value}")
    return 0


main = tool(make_parser, inspect)


if __name__ == "__main__":
    leave(main())
