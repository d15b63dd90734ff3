"""What this command has put into a root: noted before it gets its name. Everything else there is its owner's and stays."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from pipeline.open_images.release import CACHE
from pipeline.stop import StageError
from vision.artefacts import log
from vision.artefacts.files import sha256_of
from vision.artefacts.records import RecordError
from vision.artefacts.targets import not_ours, require_file_place
from vision.messages.advice import command, shown

JOURNAL = f"{CACHE}/made.jsonl"
RECEIPT = f"{CACHE}/receipt.json"
LOCK = f"{CACHE}/lock"


class Made:
    """The journal of a root, open for notes from any thread. A context manager."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._digests = _read(root / JOURNAL)
        self._lines = log.JsonLines(root / JOURNAL)
        self._lock = threading.Lock()

    def __enter__(self) -> Made:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def note(self, path: str, sha256: str, sync: bool = False) -> None:
        """``path`` (relative to the root) is about to be a file with this digest."""
        with self._lock:
            self._digests.setdefault(path, set()).add(sha256)
            self._lines.append({"path": path, "sha256": sha256})
            if sync:
                self._lines.sync()

    def knows(self, path: str) -> bool:
        return path in self._digests

    def is_as_noted(self, path: str, sha256: str) -> bool:
        return sha256 in self._digests.get(path, ())

    def require_ours(self, paths: Iterable[str], why: str) -> None:
        """Raises NotReplaced for a file at one of ``paths`` that has another content than what was made here."""
        for path in paths:
            full = self.root / path
            require_file_place(full)
            if full.exists() and not self.is_as_noted(path, sha256_of(full)):
                raise not_ours(full, why, "--root")


def _read(path: Path) -> dict[str, set[str]]:
    """The digests by path. Raises StageError where the journal is damaged: nobody knows any more what is ours."""
    found: dict[str, set[str]] = {}
    try:
        for row in log.read(path):
            found.setdefault(str(row["path"]), set()).add(str(row["sha256"]))
    except (RecordError, KeyError) as error:
        raise StageError(
            f"{shown(path)} is damaged, which says what this command has put here",
            str(error),
            f"remove it, and what is here counts as yours: images are used, tables to be moved by you: {command('rm', path)}",
        ) from None
    return found
