"""Receipts: what a stage read, made and counted; written last, so that a stage with a receipt is finished."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from vision.artefacts.data_layout import receipt_name
from vision.artefacts.files import publish_json
from vision.artefacts.records import RecordError, from_plain, read_json, to_plain

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Recorded:
    """A file or a tree as the stage saw it: ``kind`` file or tree, size, number of files, SHA-256.

    For a file ``mtime_ns`` and ``inode`` say how it was; for a tree they are 0, its manifest has them.
    """

    kind: str
    bytes: int
    files: int
    sha256: str
    mtime_ns: int = 0
    inode: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """``taken_in == kept + sum(dropped)``; paths are relative to the root; ``seconds`` of the run that finished.

    ``earlier``: outputs of runs before it, with other splits or another release, that this one has not made and left there.
    """

    schema: int
    stage: str
    version: int
    params: dict[str, Any]
    inputs: dict[str, Recorded]
    outputs: dict[str, Recorded]
    taken_in: int
    kept: int
    dropped: dict[str, int]
    notes: dict[str, Any]
    seconds: float
    finished: str
    versions: dict[str, str] = field(default_factory=dict)
    earlier: dict[str, Recorded] = field(default_factory=dict)

    @property
    def made(self) -> dict[str, Recorded]:
        """All that is on record as the stage's work."""
        return {**self.earlier, **self.outputs}


def receipt_path(root: Path, stage: str) -> Path:
    return root / receipt_name(stage)


def write(root: Path, receipt: Receipt) -> None:
    publish_json(receipt_path(root, receipt.stage), to_plain(receipt))


def read(root: Path, stage: str) -> Receipt | None:
    """The receipt of ``stage``; None when there is none.

    Raises:
        RecordError: there is one that cannot be read or is of another schema.
    """
    path = receipt_path(root, stage)
    try:
        value = read_json(path)
    except FileNotFoundError:
        return None
    receipt = from_plain(Receipt, value, str(path))
    if receipt.schema != SCHEMA or receipt.stage != stage:
        raise RecordError(
            f"{path}: schema {receipt.schema} of {receipt.stage!r}, expected {SCHEMA} of {stage!r}"
        )
    _check(receipt, path)
    return receipt


def _check(receipt: Receipt, path: Path) -> None:
    """What types do not say: a time that is one, counts that add up."""
    try:
        datetime.fromisoformat(receipt.finished)
    except ValueError:
        raise RecordError(f"{path}: finished: {receipt.finished[:40]!r} is not a time") from None
    counts = [receipt.taken_in, receipt.kept, *receipt.dropped.values()]
    if min(counts) < 0 or receipt.taken_in != receipt.kept + sum(receipt.dropped.values()):
        raise RecordError(f"{path}: taken_in is not kept and dropped together")
