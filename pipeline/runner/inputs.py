"""What a stage reads, before and after it has worked: a receipt says what was read, so nothing may have changed in between."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from pipeline.data_root.fingerprints import Fingerprints
from pipeline.data_root.receipts import Recorded
from pipeline.stage import Settings, Stage, StageError


def disk_time_ns(folder: Path) -> int:
    """Now, by the clock that stamps the files beside ``folder``."""
    folder.mkdir(exist_ok=True)
    os.utime(folder)
    return folder.stat().st_ctime_ns


def inputs_now(stage: Stage, settings: Settings, observer: Fingerprints) -> dict[str, Recorded]:
    """The inputs that are there."""
    seen = {path: observer.record(path) for path in stage.inputs(settings)}
    return {path: record for path, record in seen.items() if record is not None}


def last_changes(stage: Stage, settings: Settings) -> dict[str, tuple[int, int]]:
    """Inode and time of the last change of each input file; a rename is one, which neither size nor mtime shows."""
    found = {}
    for path in stage.inputs(settings):
        with suppress(FileNotFoundError, NotADirectoryError):
            seen = (settings.root / path).stat()
            if stat.S_ISREG(seen.st_mode):
                found[path] = (seen.st_ino, seen.st_ctime_ns)
    return found


def untouched(
    inputs: dict[str, Recorded],
    before: dict[str, tuple[int, int]],
    after: dict[str, tuple[int, int]],
    since_ns: int,
) -> dict[str, Recorded]:
    """Files whose last change is the same as before, and earlier than the stage: they need not be read a second time (20 GB
    of archives). A change in the same tick of the disk's clock as the one before it is not earlier."""
    return {
        path: seen
        for path, seen in inputs.items()
        if path in before and before[path] == after.get(path) and before[path][1] < since_ns
    }


def require_unchanged(stage: Stage, before: dict[str, Recorded], after: dict[str, Recorded]) -> None:
    """What a receipt says was read has to be what was read: a change in between is found here, by content."""
    for path in sorted({*before, *after}):
        old, new = before.get(path), after.get(path)
        if old is None or new is None or (old.kind, old.sha256) != (new.kind, new.sha256):
            raise StageError(
                f"{path} changed while {stage.name} worked on it",
                "the output may be from either version, so it does not count as done",
                "run the same command again when nothing else changes it",
            )


def require_unmoved(
    stage: Stage, before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]
) -> None:
    """Another file may have stood there for a while, and been read: the content of before and after does not tell."""
    for path in sorted(before.keys() & after.keys()):
        if before[path] != after[path]:
            raise StageError(
                f"{path} was moved, renamed or written again while {stage.name} worked on it",
                "it is the same again, but the stage may have read another file, so it does not count as done",
                "run the same command again when nothing else changes it",
            )
