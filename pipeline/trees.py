"""Folders with many files as one input or output: a manifest with size and CRC-32 of each.

A file whose size, mtime_ns and inode are those of the manifest keeps its recorded CRC; anything else is read
again and content decides. 123,287 files take about a second to look at, and none is read.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vision.artefacts.files import publish_bytes

MANIFESTS = ".pipeline/manifests"
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a tree: its size, CRC-32, and how it was when they were taken."""

    bytes: int
    crc32: int
    mtime_ns: int
    inode: int


Manifest = dict[str, Member]
"""By path relative to the tree, sorted, with ``/``."""


def manifest_path(root: Path, tree: str) -> Path:
    return root / MANIFESTS / (tree.strip("/").replace("/", "+") + ".tsv")


def survey(tree: Path, known: Manifest, deep: bool = False) -> Manifest:
    """The tree as it is now; CRCs are taken from ``known`` where size, time and inode have not changed."""
    found: Manifest = {}
    for name, path, stat in sorted(_walk(tree)):
        old = known.get(name)
        same = old is not None and (old.bytes, old.mtime_ns, old.inode) == (
            stat.st_size, stat.st_mtime_ns, stat.st_ino,
        )  # fmt: skip
        crc = old.crc32 if old is not None and same and not deep else crc32_of(path)
        found[name] = Member(stat.st_size, crc, stat.st_mtime_ns, stat.st_ino)
    return found


def _walk(tree: Path) -> Iterator[tuple[str, str, os.stat_result]]:
    folders = [("", str(tree))]
    while folders:
        prefix, folder = folders.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append((f"{prefix}{entry.name}/", entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield prefix + entry.name, entry.path, entry.stat(follow_symlinks=False)


def crc32_of(path: str | Path) -> int:
    crc = 0
    with Path(path).open("rb") as stream:
        while chunk := stream.read(CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc


def content_digest(manifest: Manifest) -> str:
    """SHA-256 over names, sizes and CRCs: equal for equal content, whatever times and inodes are."""
    text = "".join(f"{name}\t{member.bytes}\t{member.crc32:08x}\n" for name, member in manifest.items())
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def differences(old: Manifest, new: Manifest) -> list[str]:
    """One line for each file that is missing, new or another one."""
    lines = [f"{name} is missing" for name in old if name not in new]
    lines += [f"{name} is new" for name in new if name not in old]
    for name, member in new.items():
        before = old.get(name)
        if before is not None and (before.bytes, before.crc32) != (member.bytes, member.crc32):
            lines.append(f"{name} has other content")
    return sorted(lines)


def write_manifest(path: Path, manifest: Manifest) -> None:
    rows = "".join(
        f"{name}\t{m.bytes}\t{m.crc32:08x}\t{m.mtime_ns}\t{m.inode}\n" for name, m in manifest.items()
    )
    publish_bytes(path, rows.encode("utf-8", "surrogateescape"))


def read_manifest(path: Path) -> Manifest:
    """The manifest in ``path``; empty when there is none or it can not be read (then everything is hashed)."""
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        rows = [line.rsplit("\t", 4) for line in text.split("\n") if line]
        return {name: Member(int(b), int(crc, 16), int(m), int(i)) for name, b, crc, m, i in rows}
    except (OSError, ValueError):
        return {}
