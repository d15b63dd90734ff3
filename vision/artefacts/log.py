"""JSON lines: one object a line, appended. What a kill can do to them is a torn last line, and readers know it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from vision.artefacts.files import space_errors
from vision.artefacts.records import RecordError, open_regular, parse_json
from vision.artefacts.targets import open_to_append, require_file_place


class JsonLines:
    """An open log. ``append`` hands the line to the operating system; ``sync`` waits for the disk.

    A torn last line that a kill left is cut off before the first new one is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        require_file_place(self.path)  # a pipe would be waited for, a link be written through
        cut_torn_line(self.path)
        # without a buffer: what a full disk refused must not come again when the file is closed
        self._stream = os.fdopen(open_to_append(self.path), "ab", buffering=0)

    def append(self, row: dict[str, Any]) -> None:
        """Raises OSError that names the file; OutOfSpace where the disk is full."""
        with space_errors(self.path):
            view = memoryview(line(row))
            while view:
                view = view[self._stream.write(view) :]

    def sync(self) -> None:
        """All that was appended is on the disk when this returns. Raises OSError as ``append`` does."""
        with space_errors(self.path):
            os.fsync(self._stream.fileno())

    def duplicate(self) -> int:
        """A descriptor of the log's file, to be closed by whoever asked: for an fsync that outlives ``close``."""
        return os.dup(self._stream.fileno())

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def append(path: Path, row: dict[str, Any], sync: bool = False) -> None:
    """Appends one object to ``path``; with ``sync`` it is on the disk when this returns."""
    with JsonLines(path) as lines:
        lines.append(row)
        if sync:
            lines.sync()


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The objects in ``path``, in order; nothing when there is no file. A torn last line is left out.

    Raises:
        RecordError: no regular file; a line that is no JSON object elsewhere than at the end.
    """
    path = Path(path)
    if not path.exists():
        return
    with os.fdopen(open_regular(path), "rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.endswith(b"\n"):
                return
            row = parse_json(line, f"{path}: line {number}")
            if not isinstance(row, dict):
                raise RecordError(f"{path}: line {number}: expected an object")
            yield row


def cut_torn_line(path: Path) -> int:
    """Removes what follows the last line break; returns how many bytes that were."""
    if not path.exists() or not (size := path.stat().st_size):
        return 0
    with path.open("r+b") as stream:
        end = size
        while end:
            start = max(0, end - 65536)
            stream.seek(start)
            found = stream.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            stream.truncate(end)
    return size - end


def line(row: dict[str, Any]) -> bytes:
    """One line as it is appended; NaN is refused."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
