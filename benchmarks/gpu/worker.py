"""One run of ``train_ssd.py``, measured from inside: the time of its steps, what waits for data, memory, what the GPU idles."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SAMPLE_MS = 100


@dataclass
class Seen:
    """Of the steps that count: not the first ``warm``, nor the first of an epoch, before which checkpoints are saved."""

    warm: int
    steps: int = 0
    seconds: float = 0.0
    waited_s: float = 0.0
    first_step_s: float | None = None
    began_s: float = field(default_factory=time.perf_counter)
    last: tuple[float, float] | None = None

    def step(self, number: int, in_epoch: int, waiting_s: float) -> None:
        now = time.perf_counter()
        self.first_step_s = self.first_step_s or now - self.began_s
        if self.last is not None and number > self.warm and in_epoch > 1:
            self.steps += 1
            self.seconds += now - self.last[0]
            self.waited_s += waiting_s - self.last[1]
        self.last = (now, waiting_s)


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
        if self.process is None:
            return None
        self.process.terminate()
        said = self.process.communicate()[0]
        busy = [int(line) for line in said.splitlines() if line.strip().isdigit()]
        return 1 - sum(busy) / len(busy) / 100 if busy else None


def measure(words: list[str], warm: int) -> dict[str, Any]:
    """Raises SystemExit where the trainer does not end well or makes too few steps."""
    import torch

    from train_ssd import main
    from vision.engine.training import loop

    seen, idle, step = Seen(warm), None, loop.train_step

    def noted(state: Any, session: Any, batch: Any) -> Any:
        nonlocal idle
        row = step(state, session, batch)
        if session.device.type == "cuda":
            torch.cuda.synchronize(session.device)
            if state.step == warm:
                torch.cuda.reset_peak_memory_stats(session.device)
                idle = Idle()
        seen.step(state.step, state.step_in_epoch, session.console.epoch.waiting_s)
        return row

    loop.train_step = noted
    try:
        status = main(words)
    finally:
        loop.train_step = step
        idle_share = None if idle is None else idle.end()
    if status or not seen.steps:
        raise SystemExit(f"the trainer ended with {status} after {seen.steps} steps that count")
    cuda = torch.cuda.is_available() and torch.cuda.is_initialized()
    return {
        "step_s": seen.seconds / seen.steps, "steps": seen.steps, "waiting": seen.waited_s / seen.seconds,
        "first_step_s": seen.first_step_s, "idle": idle_share,
        "bytes": torch.cuda.max_memory_allocated() if cuda else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }  # fmt: skip


def main() -> None:
    """``sys.argv``: where the result goes, the steps that do not count, and the words of ``train_ssd.py``."""
    result, warm, *words = sys.argv[1:]
    Path(result).write_text(json.dumps(measure(words, int(warm))))
