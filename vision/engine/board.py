"""What is written down while training: ``metrics.jsonl`` and TensorBoard scalars, every step once.

Rows of steps hold nothing that depends on the clock, so that two runs can be compared line by line. Both logs
are on the disk before a checkpoint is saved; on resume what lies behind it is moved aside (``rewind.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vision.artefacts import log
from vision.artefacts.files import fsync_file

METRICS_NAME = "metrics.jsonl"
STEP_TAGS = ("train/", "rate/")
"""TensorBoard tags that belong to a step; all others belong to the end of an epoch."""


STEP_VALUES = ("loss", "classification", "localization", "positives", "grad_norm")


def event_files(run: Path) -> list[Path]:
    """TensorBoard's, oldest first."""
    return sorted(run.glob("events.out.tfevents.*"))


class Events:
    """One new event file of TensorBoard in the run folder."""

    def __init__(self, run: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        older = set(event_files(run))
        self._writer = SummaryWriter(log_dir=str(run))
        self._files = [path for path in event_files(run) if path not in older]

    def add(self, tag: str, value: float, step: int) -> None:
        self._writer.add_scalar(tag, value, step)

    def sync(self) -> None:
        """Everything added so far is on the disk when this returns; the writer itself only hands it to the system."""
        self._writer.flush()
        for path in self._files:
            fsync_file(path)

    def close(self) -> None:
        self.sync()
        self._writer.close()


class Board:
    """The two logs of a session. ``step`` and ``epoch`` only remember; ``flush`` writes."""

    def __init__(self, run: Path) -> None:
        self._lines = log.JsonLines(run / METRICS_NAME)
        self._events = Events(run)
        self._rows: list[dict[str, Any]] = []

    def step(self, row: dict[str, Any]) -> None:
        """``row`` has ``step``, ``epoch`` and plain values; those of ``rate`` are learning rates by group."""
        self._rows.append({"kind": "step", **row})

    def epoch(self, row: dict[str, Any]) -> None:
        self._rows.append({"kind": "epoch", **row})

    def flush(self) -> None:
        """Everything so far is on the disk when this returns."""
        for row in self._rows:
            self._lines.append(row)
            for tag, value in scalars(row):
                self._events.add(tag, value, row["step"])
        self._rows.clear()
        self._events.sync()
        self._lines.sync()

    def close(self) -> None:
        self.flush()
        self._events.close()
        self._lines.close()


class NoBoard(Board):
    """For processes that do not write."""

    def __init__(self) -> None:
        self._rows = []

    def step(self, row: dict[str, Any]) -> None:
        return

    def epoch(self, row: dict[str, Any]) -> None:
        return

    def flush(self) -> None:
        return

    def close(self) -> None:
        return


def scalars(row: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """(TensorBoard tag, value) of a row of ``metrics.jsonl``."""
    if row["kind"] == "step":
        values = {f"train/{name}": row.get(name) for name in STEP_VALUES}
        values |= {f"rate/{name}": rate for name, rate in row["rate"].items()}
    else:
        values = {f"epoch/{name}": value for name, value in row.items() if isinstance(value, float)}
    for tag, value in values.items():
        if isinstance(value, (int, float)):
            yield tag, value
