"""One run of ``train_ssd.py``, measured from inside: the time of its steps, what waits for data, memory, what the GPU idles.

The trainer shows each image ``times`` an epoch here, by what ``--balance-data`` does: an epoch of few images is over before its loader
is in its stride. No step of the window is waited for but the first and the last.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

SAMPLE_MS = 100


@dataclass(frozen=True)
class Asked:
    """warm: steps before the window; the window has ``steps`` at least and ``seconds``. ring: records come as of a pack that does not
    fit into the GPU's memory."""

    warm: int
    steps: int
    seconds: float
    times: int
    ring: bool = False


class Enough(BaseException):
    """The window is full: nothing of the trainer's end is wanted."""


@dataclass
class Seen:
    """The window: from the end of step ``warm`` on."""

    asked: Asked
    began_s: float = field(default_factory=time.perf_counter)
    first_step_s: float | None = None
    first: tuple[float, float] | None = None
    last: tuple[float, float] = (0.0, 0.0)
    steps: int = 0

    def step(self, number: int, waiting_s: float) -> None:
        """``number`` is done, or asked of the device; ``waiting_s``: for data in this epoch so far."""
        now = time.perf_counter()
        self.first_step_s = self.first_step_s or now - self.began_s
        if self.first is None:
            if number >= self.asked.warm:
                self.first = (now, waiting_s)
            return
        self.steps, self.last = self.steps + 1, (now, waiting_s)

    @property
    def seconds(self) -> float:
        return self.last[0] - self.first[0] if self.first and self.steps else 0.0

    @property
    def waited_s(self) -> float:
        return self.last[1] - self.first[1] if self.first and self.steps else 0.0

    @property
    def is_full(self) -> bool:
        return self.steps >= self.asked.steps and self.seconds >= self.asked.seconds


class Idle:
    """Samples of ``nvidia-smi``: the share of the time in which no kernel runs; None where there is none."""

    def __init__(self) -> None:
        words = [
            "nvidia-smi",
            "--query-gpu=utilization.gpu",
            "--format=csv,noheader,nounits",
            "-lms",
            str(SAMPLE_MS),
        ]
        there = shutil.which(words[0]) is not None
        self.process = (
            subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            if there
            else None
        )

    def end(self) -> float | None:
        """The share so far; None the second time."""
        process, self.process = self.process, None
        if process is None:
            return None
        process.terminate()
        said = process.communicate()[0]
        busy = [int(line) for line in said.splitlines() if line.strip().isdigit()]
        return 1 - sum(busy) / len(busy) / 100 if busy else None


def measure(words: list[str], asked: Asked) -> dict[str, Any]:
    """Raises SystemExit where the trainer ends before the window is full."""
    import numpy as np
    import torch

    from train_ssd import main
    from vision.datasets import sampling
    from vision.engine.training import loop
    from vision.transforms.device import feed
    from vision.transforms.device.records import Ring

    seen, idle, step, idle_share = Seen(asked), None, loop.train_step, None

    def noted(state: Any, session: Any, batch: Any) -> Any:
        nonlocal idle, idle_share
        on_gpu, row = session.device.type == "cuda", step(state, session, batch)
        waits = seen.first is None or seen.is_full  # for the device; not between
        if on_gpu and waits:
            torch.cuda.synchronize(session.device)
        begins = seen.first is None
        seen.step(state.step, session.console.epoch.waiting_s)
        if on_gpu and begins and seen.first is not None:
            torch.cuda.reset_peak_memory_stats(session.device)
            idle = Idle()
        if seen.is_full and (waits or not on_gpu):
            idle_share = None if idle is None else idle.end()
            raise Enough
        return row

    def shown_often(data: Any, seed: int) -> Any:
        return sampling.Repeats(np.full(len(data), asked.times * sampling.ONE, np.int64), seed)

    def ring(packs: Any, device: Any, batch: int, px: int) -> Any:
        return Ring(packs, device, batch)

    with ExitStack() as patches:
        patches.enter_context(patch.object(loop, "train_step", noted))
        patches.enter_context(patch.object(sampling, "repeats", shown_often))
        if asked.ring:
            patches.enter_context(patch.object(feed, "records_of", ring))
        try:
            status = main([*words, "--balance-data"])
        except Enough:
            status = 0
        finally:
            if idle is not None:
                idle.end()
    if status or not seen.is_full:
        raise SystemExit(f"the trainer ended with {status} after {seen.steps} steps that count")
    cuda = torch.cuda.is_available() and torch.cuda.is_initialized()
    return {
        "step_s": seen.seconds / seen.steps, "steps": seen.steps, "waiting": seen.waited_s / seen.seconds,
        "first_step_s": seen.first_step_s, "idle": idle_share,
        "bytes": torch.cuda.max_memory_allocated() if cuda else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }  # fmt: skip


def words_of(result: Path, asked: Asked, words: list[str]) -> list[str]:
    """What ``main`` is given."""
    return [str(result), json.dumps(asdict(asked)), *words]


def main() -> None:
    """``sys.argv``: where the result goes, ``Asked`` as JSON, and the words of ``train_ssd.py``."""
    from vision.messages.early import guard, leave

    guard()
    result, asked, *words = sys.argv[1:]
    found = measure(words, Asked(**json.loads(asked)))
    Path(result).write_text(json.dumps(found))
    leave(0)
