"""What is written down while training: ``metrics.jsonl`` and TensorBoard scalars, every step once.

Rows of steps hold nothing that depends on the clock, so that two runs can be compared line by line. Both logs
are on the disk before a checkpoint is saved; on resume later rows are moved aside (``truncate_logs.py``), and the new event
file begins with a mark by which TensorBoard leaves out what older ones have of later steps.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from vision.artefacts import log
from vision.artefacts.files import space_errors

METRICS_NAME = "metrics.jsonl"
STEP_VALUES = ("loss", "classification", "localization", "positives", "grad_norm")


def event_files(run: Path) -> list[Path]:
    """TensorBoard's, oldest first."""
    return sorted(run.glob("events.out.tfevents.*"))


class Events:
    """One new event file of TensorBoard in the run folder.

    Written without TensorBoard's own writer, whose thread ends with a traceback when the disk is full. Raises OSError
    that names the file. ``step``: where the session begins.
    """

    def __init__(self, run: Path, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        run.mkdir(parents=True, exist_ok=True)
        self._path = _new_event_file(run)
        self._stream = self._path.open("ab")
        self._records = RecordWriter(self._stream)
        self._write(file_version="brain.Event:2")
        self._write(step=step + 1, session_log={"status": SessionLog.START})  # the writer's purge_step

    def add(self, row: dict[str, Any]) -> None:
        for tag, value in scalars(row):
            self._write(step=row["step"], summary={"value": [{"tag": tag, "simple_value": value}]})

    def _write(self, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        with space_errors(self._path):
            self._records.write(Event(wall_time=time.time(), **content).SerializeToString())

    def sync(self) -> None:
        """Everything added so far is on the disk when this returns."""
        with space_errors(self._path):
            self._records.flush()
            os.fsync(self._stream.fileno())

    def close(self) -> None:
        try:
            self.sync()
        finally:
            with suppress(OSError):  # what could not be written has been said
                self._stream.close()


def _new_event_file(run: Path) -> Path:
    """An empty file with a name that TensorBoard looks for, and that sorts behind the older ones."""
    stem = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
    for number in itertools.count():
        path = run / f"{stem}.{number}"
        with suppress(FileExistsError):
            path.touch(exist_ok=False)
            return path
    raise AssertionError


class MetricLogger:
    """The two logs of a session. ``step`` and ``epoch`` only remember; ``flush`` writes."""

    def __init__(self, run: Path, step: int = 0) -> None:
        self._lines = log.JsonLines(run / METRICS_NAME)
        self._events = Events(run, step)
        self._rows: list[dict[str, Any]] = []

    def step(self, row: dict[str, Any]) -> None:
        """``row`` has ``step``, ``epoch`` and plain values; those of ``rate`` are learning rates by group."""
        self._rows.append({"kind": "step", **row})

    def epoch(self, row: dict[str, Any]) -> None:
        self._rows.append({"kind": "epoch", **row})

    def flush(self) -> None:
        """Everything so far is on the disk when this returns."""
        while self._rows:
            row = self._rows.pop(0)
            self._lines.append(row)
            self._events.add(row)
        self._events.sync()
        self._lines.sync()

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._lines.close()
            self._events.close()


class NullLogger(MetricLogger):
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
