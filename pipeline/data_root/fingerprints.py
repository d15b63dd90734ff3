"""What is on the disk now, compared with what a receipt recorded. Looks at every path once a run."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.bar import bar
from pipeline.data_root import manifests as trees
from pipeline.data_root.receipts import Receipt, Recorded
from pipeline.stop import NEVER, Stop
from vision.artefacts.files import facts_of

SHOWN = 3
BAR_AFTER_S = 2.0


@dataclass(slots=True)
class Fingerprints:
    """Digests of paths below ``root``; ``deep`` reads everything again instead of trusting size and time.

    ``stop`` is asked while files are read; then ``Interrupted`` is raised.
    """

    root: Path
    deep: bool = False
    stop: Stop = NEVER
    _since_ns: int | None = None
    _seen: dict[str, Recorded | None] = field(default_factory=dict)
    _strange: dict[str, str] = field(default_factory=dict)
    _manifests: dict[str, trees.Manifest] = field(default_factory=dict)
    _known: dict[str, trees.Manifest] = field(default_factory=dict)

    def forget(self, but: Mapping[str, Recorded]) -> None:
        """After a stage has run: what was seen may have changed, ``but`` these files."""
        self._seen = {**but}
        self._strange.clear()
        self._manifests.clear()
        self._known.clear()

    @contextmanager
    def distrusting(self, since_ns: int) -> Iterator[None]:
        """What was changed from ``since_ns`` on (ctime) is read again: size, mtime and inode can be put back."""
        self._since_ns = since_ns
        try:
            yield
        finally:
            self._since_ns = None

    def read(self, path: str, recorded: Recorded | None = None) -> Recorded | None:
        """``path`` (relative to the root) as it is now, or None when there is no file or folder."""
        if path not in self._seen:
            self._seen[path] = self._look(path, recorded)
        return self._seen[path]

    def is_gone(self, path: str) -> bool:
        """Whether there is nothing at all; a pipe or a device, which ``look`` does not see, is something."""
        return self.read(path) is None and path not in self._strange

    def _look(self, path: str, recorded: Recorded | None) -> Recorded | None:
        full = self.root / path
        try:
            found = os.stat(full)  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat.S_ISDIR(found.st_mode):
            return self._look_at_tree(path)
        if not stat.S_ISREG(found.st_mode):
            self._strange[path] = next(word for is_kind, word in STRANGE if is_kind(found.st_mode))
            return None
        if recorded is not None and recorded.kind == "file" and not self.deep:
            now = (found.st_size, found.st_mtime_ns, found.st_ino)
            if now == (recorded.bytes, recorded.mtime_ns, recorded.inode):
                return recorded
        with self._reading(path) as tick:
            facts = facts_of(full, tick)
        return Recorded("file", facts.bytes, 1, facts.sha256, facts.mtime_ns, facts.inode)

    def _look_at_tree(self, path: str) -> Recorded:
        self._known[path] = trees.read_manifest(trees.manifest_path(self.root, path))
        with self._reading(path) as tick:
            manifest = trees.survey(
                self.root / path, self._known[path], self.deep, tick, links=True, since_ns=self._since_ns
            )
        self._manifests[path] = manifest
        return _recorded(manifest)

    @contextmanager
    def _reading(self, path: str) -> Iterator[Callable[[int], None]]:
        """Gives what is called with the bytes read; a bar appears when reading takes seconds."""
        with ExitStack() as bars:
            shown: Any = None

            def tick(read: int) -> None:
                nonlocal shown
                self.stop.check()
                if read:
                    if shown is None:
                        shown = bars.enter_context(bar(f"reading {path}", delay=BAR_AFTER_S))
                    shown.update(read)

            yield tick

    def record(self, path: str) -> Recorded | None:
        """As ``look``; for a tree the manifest is written, so that the next look is quick."""
        seen = self.read(path)
        now, known = self._manifests.get(path), self._known.get(path)
        if now is not known and now != known:
            noted = trees.manifest_path(self.root, path)
            trees.write_manifest(noted, self._manifests[path], trees.read_own(noted), trees.read_found(noted))
            self._known[path] = self._manifests[path]
        return seen

    def members(self, path: str, seen: Recorded) -> Recorded:
        """``seen``, without what a tree holds of its owner's beside what its stage answers for."""
        if path not in self._manifests:
            return seen
        return _recorded(_only(self._manifests[path], self._members(path)))

    def _members(self, path: str) -> frozenset[str] | None:
        return trees.members_of(trees.manifest_path(self.root, path))

    def renewed(self, receipt: Receipt) -> Receipt:
        """``receipt``, whose content agreed, with time and inode as they are now: the next look need not read."""
        return replace(
            receipt,
            inputs={path: self._renewed(path, old) for path, old in receipt.inputs.items()},
            outputs={path: self._renewed(path, old) for path, old in receipt.outputs.items()},
        )

    def _renewed(self, path: str, old: Recorded) -> Recorded:
        now = self.record(path) if path in self._seen else None
        return now if now is not None and (now.kind, now.sha256) == (old.kind, old.sha256) else old

    def difference(self, path: str, recorded: Recorded, proved: bool = False) -> str | None:
        """Why ``path`` is not what was recorded, in words; None when it is.

        ``proved``: its stage answers for its own members of a tree; what else is there is its owner's to change.
        """
        now = self.read(path, recorded)
        if now is None:
            strange = self._strange.get(path)
            return (
                f"{path} is {strange} now, it was a {NAMES.get(recorded.kind, 'file')}"
                if strange
                else f"{path} is missing"
            )
        if now.kind != recorded.kind:
            return f"{path} is a {NAMES[now.kind]} now, it was a {NAMES.get(recorded.kind, 'file')}"
        if now.sha256 == recorded.sha256:
            return None
        members = self._members(path) if proved and now.kind == "tree" else None
        if members is not None:
            now = self.members(path, now)
            if now.sha256 == recorded.sha256:
                return None
        if now.kind == "tree" and self._known[path]:
            lines = trees.differences(
                _only(self._known[path], members), _only(self._manifests[path], members)
            )
            if lines:
                more = f" and {len(lines) - SHOWN:,} more" if len(lines) > SHOWN else ""
                return f"{path}: " + ", ".join(lines[:SHOWN]) + more
        if now.bytes == recorded.bytes:
            return f"{path} has changed since (other content, still {now.bytes:,} bytes)"
        return f"{path} has changed since ({recorded.bytes:,} → {now.bytes:,} bytes)"


def _only(manifest: trees.Manifest, names: frozenset[str] | None) -> trees.Manifest:
    """Those of ``names``; None is all of them."""
    return manifest if names is None else {name: manifest[name] for name in manifest if name in names}


def _recorded(manifest: trees.Manifest) -> Recorded:
    total = sum(member.bytes for member in manifest.values())
    return Recorded("tree", total, len(manifest), trees.content_digest(manifest))


NAMES = {"tree": "folder", "file": "file"}
STRANGE = (
    (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"), (lambda mode: True, "no file"),
)  # fmt: skip
