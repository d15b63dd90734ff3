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
from vision.artefacts.records import parse_json

METRICS_NAME = "metrics.jsonl"
SUMMARY = "summary"
LONGEST_ROW = 1 << 20
STEP_TAGS = {
    "loss": "loss_by_step/total", "classification": "loss_by_step/classification", "localization": "loss_by_step/localization",
    "positives": "optimisation/positives", "grad_norm": "optimisation/gradient_norm",
}  # fmt: skip
GROUPS = (
    ("train_", "loss_by_epoch/train_"), ("val_", "loss_by_epoch/validation_"), ("raw_val_", "loss_by_epoch/raw_validation_"),
    ("raw_A", "mAP_raw_weights/A"), ("AP", "mAP/AP"), ("AR", "recall/AR"), ("voc_", "mAP/voc_"),
    ("positives_", "optimisation/positives_"), ("", "speed/"),
)  # fmt: skip
"""How the name of a value of an epoch begins → how its tag does; the first that fits."""
UNDEFINED = -1.0
"""COCO's score of nothing: no value to draw."""
CHARTS = {
    "training and validation": {
        part: ["Multiline", [f"loss_by_epoch/train_{of}$", f"loss_by_epoch/validation_{of}$"]]
        for part, of in (
            ("loss", "total"),
            ("classification", "classification"),
            ("localization", "localization"),
        )
    },
    "average precision": {
        "averaged and raw weights": ["Multiline", ["mAP/AP$", "mAP_raw_weights/AP$"]],
        "by object size": ["Multiline", ["mAP/APs$", "mAP/APm$", "mAP/APl$"]],
    },
}
"""TensorBoard's custom scalars: what is one chart there."""


def event_files(run: Path) -> list[Path]:
    """TensorBoard's, oldest first."""
    return sorted(run.glob("events.out.tfevents.*"))


class Events:
    """One new event file of TensorBoard in the run folder.

    Written without TensorBoard's own writer, whose thread ends with a traceback when the disk is full. Raises OSError
    that names the file. ``first``: the step from which on older files no longer count.
    """

    def __init__(self, run: Path, first: int) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        run.mkdir(parents=True, exist_ok=True)
        self._path = _new_event_file(run)
        self._stream = self._path.open("ab")
        self._records = RecordWriter(self._stream)
        self._write(file_version="brain.Event:2")
        self._write(step=first, session_log={"status": SessionLog.START})  # the writer's purge_step

    def add(self, row: dict[str, Any]) -> None:
        for tag, value in scalars(row):
            self.add_summary(row["step"], {"value": [{"tag": tag, "simple_value": value}]})

    def add_summary(self, step: int, summary: Any) -> None:
        self._write(step=step, summary=summary)

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
    """The two logs of a session. ``step``, ``epoch`` and ``summary`` only remember; ``flush`` writes.

    ``step``: where the session begins; ``epoch_finished``: an epoch ended there, and all of that step counts. Otherwise its epoch may
    have ended in a session that was killed before it could save: TensorBoard is told to forget that, and given the step's row again.
    """

    def __init__(self, run: Path, step: int = 0, epoch_finished: bool = False) -> None:
        self._lines = log.JsonLines(run / METRICS_NAME)
        last = None if epoch_finished or not step else last_row(run / METRICS_NAME)
        self._events = Events(run, step + 1 if epoch_finished else step)
        if last is not None and last["step"] == step:
            self._events.add(last)
        self._rows: list[dict[str, Any]] = []

    def step(self, row: dict[str, Any]) -> None:
        """``row`` has ``step``, ``epoch`` and plain values; those of ``rate`` are learning rates by group."""
        self._rows.append({"kind": "step", **row})

    def epoch(self, row: dict[str, Any]) -> None:
        self._rows.append({"kind": "epoch", **row})

    def summary(self, step: int, summary: Any) -> None:
        """For TensorBoard alone: a ``Summary``, or its fields."""
        self._rows.append({"kind": SUMMARY, "step": step, "summary": summary})

    def flush(self) -> None:
        """Everything so far is on the disk when this returns."""
        while self._rows:
            row = self._rows.pop(0)
            if row["kind"] == SUMMARY:
                self._events.add_summary(row["step"], row["summary"])
                continue
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

    def summary(self, step: int, summary: Any) -> None:
        return

    def flush(self) -> None:
        return

    def close(self) -> None:
        return


def scalars(row: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """(TensorBoard tag, value) of a row of ``metrics.jsonl``."""
    if row["kind"] == "step":
        values = {tag: row.get(name) for name, tag in STEP_TAGS.items()}
        values |= {f"optimisation/rate_{name}": rate for name, rate in row["rate"].items()}
    else:
        values = {_tag(name): value for name, value in row.items() if isinstance(value, float)}
        values |= {f"AP_by_class/{name}": value for name, value in row.get("AP_by_class", {}).items()}
    for tag, value in values.items():
        if isinstance(value, (int, float)) and value != UNDEFINED:
            yield tag, value


def _tag(name: str) -> str:
    """``val_loss`` is called as the training's: ``total``."""
    name = name.replace("val_loss", "val_total")
    begins, group = next(pair for pair in GROUPS if name.startswith(pair[0]))
    return group + name.removeprefix(begins)


def last_row(path: Path) -> dict[str, Any] | None:
    """The last object of a log of whole lines; None where there is none."""
    if not path.exists():
        return None
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - LONGEST_ROW))
        lines = stream.read().splitlines()
    return parse_json(lines[-1], METRICS_NAME) if lines else None
