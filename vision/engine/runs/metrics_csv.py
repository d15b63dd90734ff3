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

CSV_NAME = "metrics.csv"
FIRST = ("epoch", "step")
BY_CLASS = "AP_by_class"


def write_csv(run: Path) -> None:
    """Publishes the table where there is an epoch, or was. Raises OSError.

    A column for each value that some epoch has, those of classes (``AP of person``) last; a cell that an epoch lacks is empty.
    """
    rows = [_flat(row) for row in _epochs(run / METRICS_NAME)]
    if not rows and not (run / CSV_NAME).exists():
        return
    names = dict.fromkeys([*FIRST, *(name for row in rows for name in row)])
    ordered = sorted(names, key=lambda name: name.startswith("AP of "))
    text = io.StringIO()
    writer = csv.DictWriter(text, ordered, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    publish_bytes(run / CSV_NAME, text.getvalue().encode())


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
