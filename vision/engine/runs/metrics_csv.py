"""``metrics.csv``: the rows of epochs of ``metrics.jsonl`` as a table, for spreadsheets.

It is made of ``metrics.jsonl`` alone, whenever an epoch is finished or a run is resumed, so that it never says anything else.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vision.artefacts.files import publish_bytes
from vision.artefacts.records import RecordError, parse_json
from vision.engine.runs.metric_logger import METRICS_NAME
from vision.messages.advice import shown
from vision.messages.system_errors import said_of

CSV_NAME = "metrics.csv"
FIRST = ("epoch", "step")
BY_CLASS = "AP_by_class"


def write_csv(run: Path) -> str | None:
    """Publishes the table where there is an epoch, or was; a sentence where it cannot: no training ends for want of it.

    A file of that name that does not begin as ours is its owner's, and stays. A column for each value that some epoch has, those of classes (``AP of person``) last; a cell that an epoch lacks is empty.
    """
    path = run / CSV_NAME
    try:
        rows = [_flat(row) for row in _epochs(run / METRICS_NAME)]
        if path.is_file() and not _is_ours(path):
            return f"{shown(path)} is not ours: it stays, and no table of the epochs is written"
        if rows or path.exists():
            publish_bytes(path, _table(rows))
    except OSError as error:
        return f"{shown(path)} is not written: {said_of(error)}"
    return None


def _is_ours(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.readline(1 << 20).startswith(",".join(FIRST).encode())


def _table(rows: list[dict[str, Any]]) -> bytes:
    names = dict.fromkeys([*FIRST, *(name for row in rows for name in row)])
    ordered = sorted(names, key=lambda name: name.startswith("AP of "))
    text = io.StringIO()
    writer = csv.DictWriter(text, ordered, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _epochs(path: Path) -> Iterator[dict[str, Any]]:
    """A long run has hundreds of thousands of rows of steps: they are not parsed."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        for line in stream:
            if line.startswith(b'{"kind":"epoch"') and line.endswith(b"\n"):
                try:
                    row = parse_json(line, METRICS_NAME)
                except RecordError:
                    continue  # named and moved aside when the run is resumed
                if isinstance(row, dict):
                    yield row


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    by_class = row.get(BY_CLASS, {})
    plain = {name: value for name, value in row.items() if name not in ("kind", BY_CLASS)}
    return plain | {f"AP of {name}": value for name, value in by_class.items()}
