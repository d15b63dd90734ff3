"""Truncate a run's logs to its checkpoint; move later rows aside and report missing ones.

A long run has hundreds of thousands of rows: ``metrics.jsonl`` is read one at a time, and what stays is never held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from vision.artefacts.files import atomic_publish, publish_bytes
from vision.artefacts.records import RecordError, parse_json
from vision.engine.checkpoints.folder import free_name
from vision.engine.runs.metric_logger import METRICS_NAME, Events, event_files
from vision.engine.runs.metrics_csv import write_csv
from vision.messages.terminal import counted

SHOWN_RANGES = 5

Belongs = Callable[[int, bool], bool]
"""(step, whether it is a row of a step and not of an epoch) → whether the checkpoint contains it."""


def truncate_logs(run: Path, step: int, epochs: int, epoch_finished: bool) -> list[str]:
    """Move what was logged after the checkpoint at ``step`` aside; returns a sentence for each thing that is lost.

    * epochs: how many are finished in the checkpoint
    * epoch_finished: the checkpoint was made after the row of the last of them

    Later rows go to ``metrics.<n>.jsonl``; lines that cannot be read to ``metrics.damaged.<n>.jsonl``.
    TensorBoard's event files stay as they are (the next one says from which step on they no longer count).
    """

    def belongs(row_step: int, of_a_step: bool) -> bool:
        return row_step < step or (row_step == step and (of_a_step or epoch_finished))

    notes = _rewind_lines(run, belongs)
    notes += _missing_rows(run, step, epochs)
    notes += filter(None, [write_csv(run)])
    return notes + _rebuild_events(run)


# ---------------------------------------------------------------- metrics.jsonl


def _lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    """Each line with its row, None where it is none; a torn last line, which a kill leaves, is left out."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                yield line, _row(line)


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = parse_json(line, METRICS_NAME)
    except RecordError:
        return None
    if not isinstance(row, dict) or type(row.get("step")) is not int or type(row.get("epoch")) is not int:
        return None
    if row.get("kind") == "epoch":
        return row
    return row if row.get("kind") == "step" and isinstance(row.get("rate"), dict) else None


def _rewind_lines(run: Path, belongs: Belongs) -> list[str]:
    """Later lines and unreadable ones into files of their own first, then ``metrics.jsonl`` without them."""
    path = run / METRICS_NAME
    later, damaged = [], []
    for line, row in _lines(path):
        if row is None:
            damaged.append(line)
        elif not belongs(row["step"], row["kind"] == "step"):
            later.append(line)
    notes = []
    if later:
        publish_bytes(run / free_name(run, "metrics", ".jsonl"), b"".join(later))
    if damaged:
        name = free_name(run, "metrics.damaged", ".jsonl")
        publish_bytes(run / name, b"".join(damaged))
        notes.append(f"{path}: {counted(len(damaged), 'line')} cannot be read; moved to {name}")
    if later or damaged:
        with atomic_publish(path) as temporary, temporary.open("wb") as stream:
            for line, row in _lines(path):
                if row is not None and belongs(row["step"], row["kind"] == "step"):
                    stream.write(line)
    return notes


def _missing_rows(run: Path, step: int, epochs: int) -> list[str]:
    """A sentence that names the steps and epochs that the checkpoint contains and the log does not."""
    lacking = {"step": bytearray(b"\1") * step, "epoch": bytearray(b"\1") * epochs}
    for _, row in _lines(run / METRICS_NAME):
        if row is not None:
            index = row["step"] - 1 if row["kind"] == "step" else row["epoch"]
            if 0 <= index < len(lacking[row["kind"]]):
                lacking[row["kind"]][index] = 0
    parts = [
        f"{kind}s {ranges(index + (kind == 'step') for index, lacks in enumerate(flags) if lacks)}"
        for kind, flags in lacking.items()
        if any(flags)
    ]
    if not parts:
        return []
    return [f"{run / METRICS_NAME} lacks {' and '.join(parts)}; the checkpoint has them, training continues"]


def ranges(numbers: Iterable[int]) -> str:
    """``1–3, 7``: rising numbers, the first few ranges of them."""
    rising = list(numbers)
    ends = [index for index, (a, b) in enumerate(pairwise(rising)) if b != a + 1] + [len(rising) - 1]
    starts = [0, *(index + 1 for index in ends[:-1])]
    spans = [(rising[start], rising[end]) for start, end in zip(starts, ends, strict=True)]
    words = [f"{a}–{b}" if a != b else str(a) for a, b in spans[:SHOWN_RANGES]]
    return ", ".join(words) + (", …" if len(spans) > SHOWN_RANGES else "")


# ---------------------------------------------------------------- TensorBoard


def _rebuild_events(run: Path) -> list[str]:
    """An event file from ``metrics.jsonl`` where there is none any more."""
    if event_files(run) or not (run / METRICS_NAME).exists():
        return []
    events = Events(run, 0)
    for _, row in _lines(run / METRICS_NAME):
        if row is not None:
            events.add(row)
    events.close()
    return [f"{run}: no event file of TensorBoard; written again from {METRICS_NAME}"]
