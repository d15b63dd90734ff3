"""What is on the disk now, compared with what a receipt recorded. Looks at every path once a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline import trees
from pipeline.receipts import Recorded
from vision.artefacts.files import facts_of

SHOWN = 3


@dataclass(slots=True)
class Observer:
    """Digests of paths below ``root``; ``deep`` hashes everything again instead of trusting size and time."""

    root: Path
    deep: bool = False
    _seen: dict[str, Recorded | None] = field(default_factory=dict)
    _manifests: dict[str, trees.Manifest] = field(default_factory=dict)

    def forget(self) -> None:
        """After a stage has run: what was seen may have changed."""
        self._seen.clear()
        self._manifests.clear()

    def look(self, path: str, recorded: Recorded | None = None) -> Recorded | None:
        """``path`` (relative to the root) as it is now, or None when there is nothing."""
        if path not in self._seen:
            self._seen[path] = self._look(path, recorded)
        return self._seen[path]

    def _look(self, path: str, recorded: Recorded | None) -> Recorded | None:
        full = self.root / path
        if full.is_dir():
            return self._look_at_tree(path)
        if not full.is_file():
            return None
        stat = full.stat()
        if recorded is not None and not self.deep and recorded.kind == "file":
            same = (stat.st_size, stat.st_mtime_ns, stat.st_ino) == (
                recorded.bytes, recorded.mtime_ns, recorded.inode,
            )  # fmt: skip
            if same:
                return recorded
        facts = facts_of(full)
        return Recorded("file", facts.bytes, 1, facts.sha256, facts.mtime_ns, facts.inode)

    def _look_at_tree(self, path: str) -> Recorded:
        known = trees.read_manifest(trees.manifest_path(self.root, path))
        manifest = trees.survey(self.root / path, known, self.deep)
        self._manifests[path] = manifest
        total = sum(member.bytes for member in manifest.values())
        return Recorded("tree", total, len(manifest), trees.content_digest(manifest))

    def record(self, path: str) -> Recorded | None:
        """As ``look``; for a tree the manifest is written, so that the next look is quick."""
        seen = self.look(path)
        if path in self._manifests:
            trees.write_manifest(trees.manifest_path(self.root, path), self._manifests[path])
        return seen

    def difference(self, path: str, recorded: Recorded) -> str | None:
        """Why ``path`` is not what was recorded, in words; None when it is."""
        now = self.look(path, recorded)
        if now is None:
            return f"{path} is missing"
        if now.kind == recorded.kind and now.sha256 == recorded.sha256:
            return None
        if now.kind == "tree" and recorded.kind == "tree":
            known = trees.read_manifest(trees.manifest_path(self.root, path))
            lines = trees.differences(known, self._manifests[path])
            if lines:
                more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
                return f"{path}: " + ", ".join(lines[:SHOWN]) + more
        return f"{path} has changed since ({recorded.bytes:,} → {now.bytes:,} bytes)"
