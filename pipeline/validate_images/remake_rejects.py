"""``rejects.jsonl`` out of the table of verdicts: lost or changed alone, it needs no image read again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.annotations import json_strict
from pipeline.image_check.settings import NAME
from pipeline.stage import Counts, StageContext
from pipeline.validate_images.image_splits import TWICE
from vision.artefacts.data_layout import IMAGE_REPORT, REJECTS, SHEET
from vision.artefacts.files import space_errors


def remade(context: StageContext) -> Counts | None:
    """Stages it again where it alone is not as it was; the counts of the last time. None: check the images."""
    if context.last is None or context.last.lost != {REJECTS}:
        return None
    with (context.root / IMAGE_REPORT).open("rb") as lines:
        rows = map(json_strict.loads, lines)
        write_rows(context.staging / REJECTS, (reject_row(row) for row in rows if row["verdict"] == "reject"))
    for path in (SHEET, TWICE):  # made sometimes: what is not staged goes
        if (context.root / path).exists():
            (context.staging / path).parent.mkdir(exist_ok=True)
            shutil.copyfile(context.root / path, context.staging / path)
    context.say(f"{REJECTS}: made again from {IMAGE_REPORT}")
    return context.last.counts


def reject_row(row: dict[str, Any]) -> dict[str, str]:
    """Of a refused image in the table."""
    return {"stage": NAME, "split": row["split"], "item": row["file_name"], "reason": row["reason"] or ""}


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """A JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with space_errors(path), path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
