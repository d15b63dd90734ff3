"""``rejects.jsonl`` in the data folder: what the stages refused, a line each, in one place for people."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from vision.artefacts.data_layout import REJECTS
from vision.artefacts.files import publish_bytes
from vision.artefacts.records import RecordError, parse_json


def publish_rejects(root: Path, stage: str, rows: Iterable[tuple[str, str, str]]) -> None:
    """Replaces the lines of ``stage`` by ``rows`` of (split, item, reason); those of other stages stay."""
    path = root / REJECTS
    others = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    kept = [line for line in others if _stage_of(line) not in (stage, None)]
    ours = [_line(stage, *row) for row in rows]
    publish_bytes(path, b"".join(kept + ours))


def remove_rejects(root: Path, stage: str) -> None:
    """Takes the lines of ``stage`` out; all others stay, also what is no line of any stage: its owner may have put it there."""
    path = root / REJECTS
    lines = path.read_bytes().splitlines(keepends=True)
    publish_bytes(path, b"".join(line for line in lines if _stage_of(line) != stage))


def has_rejects(root: Path, stage: str) -> bool:
    """Whether ``rejects.jsonl`` has a line of ``stage``."""
    path = root / REJECTS
    return path.is_file() and any(_stage_of(line) == stage for line in path.read_bytes().splitlines())


def _line(stage: str, split: str, item: str, reason: str) -> bytes:
    row = {"stage": stage, "split": split, "item": item, "reason": reason}
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _stage_of(line: bytes) -> str | None:
    try:
        return str(parse_json(line, REJECTS)["stage"])
    except (RecordError, KeyError, TypeError):
        return None
