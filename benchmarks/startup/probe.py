"""What ``benchmarks.startup`` runs in processes of its own; prints a line of JSON at the end.

    python -m benchmarks.startup.probe train SECONDS WORD…   # the trainer with these words, up to the end of its first step
    python -m benchmarks.startup.probe workers ROOT          # a loader with two workers that read all annotations

SECONDS: ``time.monotonic()`` of whoever typed the command. Only light modules are imported before the clock runs.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import builtins
import importlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

WORKERS, BATCH = 2, 8
SETTLED, PATIENCE_S = 12, 300
"""Batches that a worker makes before its memory is looked at; how long it waits for the other one."""
NOT_BEGUN = -1.0
MOMENTS = 3


class ImportClock:
    """Adds up what imports take, each outermost one once, by the clock and of processor time."""

    def __init__(self) -> None:
        self.seconds = self.processor = 0.0
        self._depth = 0

    def __enter__(self) -> ImportClock:
        self._were = builtins.__import__, importlib.import_module
        builtins.__import__ = self._timed(builtins.__import__)
        importlib.import_module = self._timed(importlib.import_module)
        return self

    def __exit__(self, *raised: object) -> None:
        builtins.__import__, importlib.import_module = self._were

    def _timed(self, importing: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            if self._depth:
                return importing(*arguments, **named)
            self._depth, clock, processor = 1, time.monotonic(), time.process_time()
            try:
                return importing(*arguments, **named)
            finally:
                self._depth = 0
                self.seconds += time.monotonic() - clock
                self.processor += time.process_time() - processor

        return timed


def train(typed: float, words: list[str]) -> dict[str, float]:
    """Of this process: clock and processor seconds from the command to the first batch in hand and to the end of its
    step, and what of them were imports."""
    begun = time.monotonic() - typed
    found: dict[str, float] = {}
    with ImportClock() as imports:
        import train_ssd
        from vision.engine.training import loop

        step = loop.train_step

        def first_step(*arguments: Any) -> Any:
            if not found:
                found.update(
                    interpreter=begun, imports=imports.seconds, imports_processor=imports.processor,
                    batch=time.monotonic() - typed, batch_processor=time.process_time(),
                )  # fmt: skip
            row = step(*arguments)
            found.setdefault("step", time.monotonic() - typed)
            return row

        loop.train_step = first_step  # type: ignore[assignment]
        status = train_ssd.main(words)
    if status or "step" not in found:
        raise SystemExit(f"the trainer made no step: it ended with {status}")
    return found


def workers(root: str) -> dict[str, float]:
    """How long the slower of two workers takes to begin its first image, of that its processor time, and the bytes that each holds
    more, at most, when both have read all boxes. Before that they read those of one image as often: what reading alone adds
    (pages of the interpreter that are written to) is told by itself, and batches have no part in it."""
    import multiprocessing

    import numpy as np

    from vision.core.sample import InputSpec, Sample
    from vision.datasets.coco import CocoDetection
    from vision.datasets.loading import make_loader
    from vision.datasets.sampling import BatchSampler
    from vision.datasets.workers import start_method
    from vision.transforms import presets

    context = multiprocessing.get_context(start_method(None))
    began, processor = context.RawArray("d", [NOT_BEGUN] * WORKERS), context.RawArray("d", WORKERS)
    wanted, both = context.RawValue("b", 0), context.Barrier(WORKERS)
    held = context.RawArray("q", MOMENTS * 2 * WORKERS)
    read = context.RawArray("b", WORKERS)

    class Watched:
        """The trainer's transform, in a worker; tells when it was first called, and reads all boxes when it is asked to."""

        def __init__(self) -> None:
            self.plain = presets.build("ssd", InputSpec(300, 300), 0)
            self.input_spec = self.plain.input_spec

        def __call__(self, sample: Sample, epoch: int, index: int) -> Sample:
            from torch.utils.data import get_worker_info

            worker = get_worker_info().id  # type: ignore[union-attr]
            if began[worker] == NOT_BEGUN:
                began[worker], processor[worker] = time.monotonic(), time.process_time()
            if wanted.value and not read[worker]:
                for moment, indices in enumerate(([], [0] * len(data), range(len(data)))):
                    read_boxes(data, indices)
                    both.wait(
                        PATIENCE_S
                    )  # mapped pages are this worker's alone until the other has read them
                    place = 2 * (worker * MOMENTS + moment)
                    held[place : place + 2] = memory_of(os.getpid())
                    both.wait(PATIENCE_S)
                read[worker] = 1
            return self.plain(sample, epoch, index)

    def read_boxes(data: CocoDetection, indices: Iterable[int]) -> None:
        columns = data.columns(
            "boxes_xyxy_px", "labels", "is_crowd", "area", "image_ids", "heights", "widths"
        )
        for index in indices:
            own = data.boxes_of(index)
            for column in columns[:4]:
                np.array(column[own])
            for column in columns[4:]:
                int(column[index])
            data.path(index)

    data = CocoDetection(root)
    order = BatchSampler(len(data), BATCH, drop_last=True)
    asked = time.monotonic()
    loader = make_loader(data, Watched(), order, WORKERS)
    batches = iter(loader)
    for _ in range(SETTLED * WORKERS):
        next(batches)
    wanted.value = 1
    while not all(read):
        next(batches)
    seen = np.array(held).reshape(WORKERS, MOMENTS, 2)
    (reading, _), (private, share) = np.diff(seen, axis=1).max(axis=0).tolist()
    return {
        "start": max(began) - asked,
        "start_processor": max(processor),
        "reading": reading,
        "private": private,
        "share": share,
    }


def memory_of(process: int) -> tuple[int, int]:
    """Bytes that only this process holds (USS), and with its share of what several hold (PSS)."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text()
    found = {name: 1024 * int(kib) for name, kib in re.findall(r"^(\w+): +(\d+) kB$", text, re.M)}
    return found["Private_Clean"] + found["Private_Dirty"], found["Pss"]


if __name__ == "__main__":
    what, first, *rest = sys.argv[1:]
    print(json.dumps(train(float(first), rest) if what == "train" else workers(first)))
