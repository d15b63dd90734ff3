"""What this command has put into a root: noted before it gets its name. Everything else there is its owner's and stays."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from pipeline.open_images.release import CACHE
from vision.artefacts import log
from vision.artefacts.files import sha256_of
from vision.artefacts.targets import not_ours, require_file_place

JOURNAL = f"{CACHE}/made.jsonl"
RECEIPT = f"{CACHE}/receipt.json"
LOCK = f"{CACHE}/lock"


class Made:
    """The journal of a root, open for notes from any thread. A context manager."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._digests: dict[str, set[str]] = {}
        for row in log.read(root / JOURNAL):
            self._digests.setdefault(str(row["path"]), set()).add(str(row["sha256"]))
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
