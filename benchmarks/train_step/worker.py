"""A way in a process of its own: allocator settings and threads are a process's, and no way may help another.

It reads lines from its input: ``N`` makes that many steps and answers with seconds by the clock and of processor time (all
threads) of each; the first answer, without being asked, tells how long it took until it was ready.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WARM = 3
"""Steps before any is timed: memory is allocated, kernels are chosen."""
PROGRAM = "import json, sys; from benchmarks.train_step.worker import main; main(json.loads(sys.argv[1]))"


class Worker:
    """``told``: what ``ready`` is called with. The process is started, and is ready after ``wait``."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(told)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
        )  # fmt: skip

    def wait(self) -> dict[str, Any]:
        """``why``: it cannot be had here; else ``ready_s`` and ``bytes``, the most it took so far."""
        return self._answer()

    def step(self, count: int) -> list[tuple[float, float]]:
        """Seconds of each step: by the clock, and of processor time."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        return [(clock, processor) for clock, processor in self._answer()["steps"]]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with status {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def ready(told: dict[str, Any]) -> Callable[[], object]:
    """The way's step. Raises ValueError and RuntimeError where it cannot be had here."""
    import torch

    from benchmarks.train_step import ways

    if told["threads"]:
        torch.set_num_threads(told["threads"])
    step = ways.step_of(told["way"], told["config"])
    step()
    if told["gradients"]:
        torch.save(ways.gradients(step), told["gradients"])
    return step


def main(told: dict[str, Any]) -> None:
    answers, sys.stdout = sys.stdout, sys.stderr

    def answer(**what: Any) -> None:
        print(json.dumps(what), file=answers, flush=True)

    began = time.perf_counter()
    try:
        step = ready(told)
        for _ in range(told["warm"] - 1):
            step()
    except (ValueError, RuntimeError) as error:  # torch has no narrower one for "cannot be compiled here"
        answer(why=str(error).strip().splitlines()[0])
        return
    answer(ready_s=time.perf_counter() - began, bytes=most_bytes())
    for line in sys.stdin:
        answer(steps=[once(step) for _ in range(int(line))])


def once(step: Callable[[], object]) -> tuple[float, float]:
    import torch

    clock, processor = time.perf_counter(), time.process_time()
    step()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter() - clock, time.process_time() - processor


def most_bytes() -> int:
    """Of the GPU where it is used, else resident."""
    import torch

    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
