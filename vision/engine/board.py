"""What is written down while training: ``metrics.jsonl`` and TensorBoard scalars, every step once.

Rows of steps hold nothing that depends on the clock, so that two runs can be compared line by line. Both logs
are flushed before a checkpoint is saved; on resume what lies behind the checkpoint is moved aside.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vision.artefacts import log
from vision.artefacts.files import atomic_publish, publish_bytes
from vision.engine.run_folder import free_name

METRICS_NAME = "metrics.jsonl"
STEP_TAGS = ("train/", "rate/")
"""TensorBoard tags that belong to a step; all others belong to the end of an epoch."""


class Board:
    """The two logs of a session. ``step`` and ``epoch`` only remember; ``flush`` writes."""

    def __init__(self, run: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._lines = log.JsonLines(run / METRICS_NAME)
        self._events = SummaryWriter(log_dir=str(run))
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
            for tag, value in _scalars(row):
                self._events.add_scalar(tag, value, row["step"])
        self._rows.clear()
        self._events.flush()
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


def _scalars(row: dict[str, Any]) -> Iterator[tuple[str, float]]:
    if row["kind"] == "step":
        for name in ("loss", "classification", "localization", "positives", "grad_norm"):
            if row.get(name) is not None:
                yield f"train/{name}", row[name]
        for name, rate in row["rate"].items():
            yield f"rate/{name}", rate
        return
    for name, value in row.items():
        if isinstance(value, float):
            yield f"epoch/{name}", value


# ---------------------------------------------------------------- after a resume


def rewind(run: Path, step: int, epoch_finished: bool) -> int:
    """Move what was logged after the checkpoint at ``step`` aside; returns how many rows that were.

    ``epoch_finished``: the checkpoint was made after the epoch's own row. The rows go to
    ``metrics.<n>.jsonl``; TensorBoard's event files are rewritten without them.
    """

    def belongs(row_step: int, of_a_step: bool) -> bool:
        return row_step < step or (row_step == step and (of_a_step or epoch_finished))

    moved = _rewind_lines(run, belongs)
    for path in sorted(run.glob("events.out.tfevents.*")):
        _rewind_events(path, belongs)
    return moved


def _rewind_lines(run: Path, belongs: Callable[[int, bool], bool]) -> int:
    rows = list(log.read(run / METRICS_NAME))
    kept = [row for row in rows if belongs(row["step"], row["kind"] == "step")]
    later = [row for row in rows if not belongs(row["step"], row["kind"] == "step")]
    if later:
        publish_bytes(run / free_name(run, "metrics", ".jsonl"), _encoded(later))
        publish_bytes(run / METRICS_NAME, _encoded(kept))
    return len(later)


def _encoded(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n" for row in rows)


def _rewind_events(path: Path, belongs: Callable[[int, bool], bool]) -> None:
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # a torn last record is expected after a kill
    kept, dropped = [], 0
    for record in RawEventFileLoader(str(path)).Load():
        event = Event.FromString(record)
        tags = [value.tag for value in event.summary.value]
        if tags and not all(belongs(event.step, tag.startswith(STEP_TAGS)) for tag in tags):
            dropped += 1
        else:
            kept.append(record)
    size = sum(len(record) + 16 for record in kept)  # length, its checksum, the checksum of the content
    if dropped or size != path.stat().st_size:
        with atomic_publish(path) as temporary, temporary.open("wb") as stream:
            writer = RecordWriter(stream)
            for record in kept:
                writer.write(record)
