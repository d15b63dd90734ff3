"""A run on disk: names of checkpoints, the record of their digests, the newest good one.

The record ``checkpoints.json`` is written after the file it tells of, so that a name in it is a promise; facts
are read from it, never out of file names.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vision.artefacts.files import publish_bytes, publish_json, remove_stale_temporaries, sha256_of
from vision.artefacts.records import RecordError, from_plain, read_json, to_plain
from vision.messages.advice import UserError

RECORD_NAME = "checkpoints.json"
RECORD_FORMAT = 1
MAX_RECORD_BYTES = 64 << 20
_NAME = re.compile(r"COMBO_CHECKPOINT_[A-Za-z0-9_.-]+\.pth")


class DamagedCheckpoint(UserError):
    """A checkpoint file that is not what its record says, or cannot be read."""


class NoCheckpoint(UserError):
    """Nothing to resume from."""


@dataclass(frozen=True)
class CheckpointRecord:
    """One line of the record.

    * file: bare name in the run folder; sha256, bytes: of its content
    * epoch, step: position (epochs from 0; optimiser steps done)
    * metrics: of the validation that belongs to it, empty where there was none
    * finished: made at the end of an epoch, not within one
    * best: it was the best so far; pruned: the file has been removed to save space
    """

    file: str
    sha256: str
    bytes: int
    epoch: int
    step: int
    metrics: dict[str, Any] = field(default_factory=dict)
    finished: bool = True
    best: bool = False
    pruned: bool = False


def epoch_name(net: str, epoch: int, validation_loss: float | None) -> str:
    """``COMBO_CHECKPOINT_{net}-Epoch-{epoch}-Loss-{loss}.pth``, the ancestors' name."""
    loss = "none" if validation_loss is None else f"{validation_loss:.4f}"
    return f"COMBO_CHECKPOINT_{net}-Epoch-{epoch}-Loss-{loss}.pth"


def step_name(net: str, step: int) -> str:
    return f"COMBO_CHECKPOINT_{net}-Step-{step}.pth"


class RunFolder:
    """The checkpoints of one run. ``path`` need not exist before the first ``publish``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def record_path(self) -> Path:
        return self.path / RECORD_NAME

    def records(self) -> list[CheckpointRecord]:
        """In the order of training; empty where there is no record. Raises RecordError for a broken one."""
        if not self.record_path.is_file():
            return []
        content = read_json(self.record_path, max_bytes=MAX_RECORD_BYTES)
        if not isinstance(content, dict) or content.get("format") != RECORD_FORMAT:
            raise RecordError(f"{self.record_path}: expected a record of format {RECORD_FORMAT}")
        rows = content.get("checkpoints")
        if not isinstance(rows, list):
            raise RecordError(f"{self.record_path}: checkpoints: expected a list")
        records = [
            from_plain(CheckpointRecord, row, f"{self.record_path}: checkpoints[{index}]")
            for index, row in enumerate(rows)
        ]
        for record in records:
            if not _NAME.fullmatch(record.file):
                raise RecordError(f"{self.record_path}: {record.file!r} is not a checkpoint name")
        return records

    def strays(self) -> list[Path]:
        """Checkpoint files in this folder, recorded or not."""
        return sorted(self.path.glob("COMBO_CHECKPOINT_*.pth"))

    def write_records(self, records: list[CheckpointRecord], name: str = RECORD_NAME) -> None:
        rows = [to_plain(record) for record in records]
        publish_json(self.path / name, {"format": RECORD_FORMAT, "checkpoints": rows})

    def publish(self, name: str, data: bytes, **facts: Any) -> CheckpointRecord:
        """Write ``data`` under ``name``, then its record. Raises OSError (OutOfSpace) with the old ones intact."""
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.record_path.is_file() and not self.strays():
            # a kill behind the first file must not look like a run whose record was lost
            self.write_records([])
        written = publish_bytes(self.path / name, data)
        record = CheckpointRecord(name, written.sha256, written.bytes, **facts)
        self.write_records([r for r in self.records() if r.file != name] + [record])
        return record

    def prune(self, keep_last: int) -> list[str]:
        """Remove all but the last ``keep_last`` ends of epochs, the best and the last two; 0 keeps all ends of epochs.

        Nothing is removed unless the newest one reads back as recorded. Returns the names.
        """
        records = self.records()
        ends = [record for record in records if record.finished]
        best = [record for record in records if record.best]
        kept = {record.file for record in [*ends[-keep_last:], *best[-1:], *records[-2:]]}
        leaving = [r.file for r in records if r.file not in kept and not r.pruned]
        if leaving:
            self.verify(records[-1])
            self.write_records([dataclasses.replace(r, pruned=r.file not in kept) for r in records])
        for record in records:
            if record.file not in kept:  # those of an earlier, interrupted pruning too
                (self.path / record.file).unlink(missing_ok=True)
        return leaving

    def remove_leftovers(self) -> int:
        """Remove the unfinished files that a kill while saving left; returns how many. Only under the run's lock."""
        return len(remove_stale_temporaries(self.path))

    def verify(self, record: CheckpointRecord) -> None:
        """Raises DamagedCheckpoint where the file is not what was recorded."""
        path = self.path / record.file
        if not path.is_file():
            raise DamagedCheckpoint(f"{path}: is missing")
        size = path.stat().st_size
        if size != record.bytes:
            raise DamagedCheckpoint(f"{path}: {size} bytes, {record.bytes} were written")
        digest = sha256_of(path)
        if digest != record.sha256:
            raise DamagedCheckpoint(f"{path}: sha256 {digest[:12]}…, {record.sha256[:12]}… was written")

    def newest_valid(
        self, warn: Callable[[str], None], check: Callable[[Path], Any] = lambda path: None
    ) -> Path | None:
        """The newest checkpoint that is as recorded and passes ``check``; None where there is no record at all.

        Damaged ones are named to ``warn``. Raises NoCheckpoint where there are records and none is good.
        """
        records = [record for record in self.records() if not record.pruned]
        for record in reversed(records):
            try:
                self.verify(record)
                check(self.path / record.file)
            except DamagedCheckpoint as error:
                warn(f"damaged checkpoint skipped: {error}")
                continue
            return self.path / record.file
        if records:
            raise NoCheckpoint(
                f"{self.path}: no checkpoint of {len(records)} on record is good; not starting from scratch.\n"
                f"  Restore one of them from a copy, or choose another --checkpoint-folder."
            )
        return None

    def rewind_to(self, file: str) -> list[str]:
        """Move the records after ``file`` aside into ``checkpoints.<n>.json``; the files stay. Returns their names."""
        records = self.records()
        names = [record.file for record in records]
        if file not in names:
            return []
        later = records[names.index(file) + 1 :]
        if later:
            self.write_records(later, free_name(self.path, "checkpoints", ".json"))
            self.write_records(records[: names.index(file) + 1])
        return [record.file for record in later]


def free_name(folder: Path, stem: str, suffix: str) -> str:
    """``{stem}.1{suffix}``, or the first number that is free."""
    number = 1
    while (folder / f"{stem}.{number}{suffix}").exists():
        number += 1
    return f"{stem}.{number}{suffix}"
