"""Folders with many files as one input or output: a manifest with size and CRC-32 of each.

A file whose size, mtime_ns and inode are those of the manifest keeps its recorded CRC; anything else is read
again and content decides. Looking at 123,287 files takes about a second, and none is read.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import stat
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.stop import NEVER
from vision.artefacts.data_layout import MANIFESTS
from vision.artefacts.files import publish_bytes

HEADER = "manifest 1 sha256 "
CHUNK = 1 << 20
TICK_EVERY = 256
"""Files that are only looked at between two calls of ``tick``."""


class Member(NamedTuple):
    """One file of a tree: its size, CRC-32, and how it was when they were taken."""

    bytes: int
    crc32: int
    mtime_ns: int
    inode: int


Manifest = dict[str, Member]
"""By path relative to the tree, sorted, with ``/``."""
Content = tuple[int, int]
"""What decides: size and CRC-32."""
Brought = dict[str, frozenset[Content]]
"""What a stage has put into a tree whether it is there now or not: each content that it has given a name.

An empty set where a version before this one has noted the name alone.
"""


def manifest_path(root: Path, tree: str) -> Path:
    return root / MANIFESTS / (tree.strip("/").replace("/", "+") + ".tsv")


def survey(
    tree: Path,
    known: Manifest,
    deep: bool = False,
    tick: Callable[[int], None] = NEVER.check,
    links: bool = False,
    since_ns: int | None = None,
) -> Manifest:
    """The tree as it is now; CRCs are taken from ``known`` where size, time and inode have not changed.

    With ``since_ns`` what was changed from then on (ctime) is read all the same.

    ``tick`` is called with the bytes read so far since its last call, and now and then where none is read; it may
    raise. ``links`` as in ``walk``. Gives ``known`` itself, which has to be sorted, where nothing has changed.
    """
    found: Manifest = {}
    get, kept = known.get, 0
    for name, path, now in walk(tree, links):
        if not len(found) % TICK_EVERY:
            tick(0)
        old = None if deep else get(name)
        if (
            old is not None
            and (old[2] == now.st_mtime_ns and old[0] == now.st_size and old[3] == now.st_ino)
            and (since_ns is None or now.st_ctime_ns < since_ns)
        ):
            found[name] = old
            kept += 1
        else:
            found[name] = Member(now.st_size, crc32_of(path, tick), now.st_mtime_ns, now.st_ino)
    if kept == len(found) == len(known):
        return known
    return {name: found[name] for name in sorted(found)}


def walk(tree: Path, links: bool = False) -> Iterator[tuple[str, str, os.stat_result]]:
    """(name, path, stat) of each regular file below ``tree``, and with ``links`` of those at the end of a link there.

    Links to folders are never followed. The stat of a link is that of what it leads to: a change there shows.
    """
    folders = [("", str(tree))]
    while folders:
        prefix, folder = folders.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    yield prefix + entry.name, entry.path, entry.stat(follow_symlinks=False)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append((f"{prefix}{entry.name}/", entry.path))
                elif links and entry.is_symlink() and (found := _behind(entry.path)) is not None:
                    yield prefix + entry.name, entry.path, found


def _behind(link: str) -> os.stat_result | None:
    """What a link leads to, when that is a regular file; None where there is none, or none that may be reached."""
    try:
        found = os.stat(link)  # noqa: PTH116
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.ENAMETOOLONG):
            return None
        raise
    return found if stat.S_ISREG(found.st_mode) else None


def crc32_of(path: str | Path, tick: Callable[[int], None] = NEVER.check) -> int:
    crc = 0
    with Path(path).open("rb") as stream:
        while chunk := stream.read(CHUNK):
            crc = zlib.crc32(chunk, crc)
            tick(len(chunk))
    return crc


def content_digest(manifest: Manifest) -> str:
    """SHA-256 over names, sizes and CRCs: equal for equal content, whatever times and inodes are."""
    text = "".join([f"{_written(name)}\t{m[0]}\t{m[1]:08x}\n" for name, m in manifest.items()])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def content(member: Member) -> Content:
    return member.bytes, member.crc32


def differences(old: Manifest, new: Manifest) -> list[str]:
    """One line for each file that is missing, new or another one."""
    lines = [f"{name} is missing" for name in old if name not in new]
    lines += [f"{name} is new" for name in new if name not in old]
    for name, member in new.items():
        before = old.get(name)
        if before is not None and content(before) != content(member):
            lines.append(f"{name} has other content")
    return sorted(lines)


def write_manifest(
    path: Path,
    manifest: Manifest,
    own: Mapping[str, Iterable[Content]] | None = None,
    found: Collection[str] = (),
) -> None:
    """A line with the SHA-256 of the others, then one for each file.

    ``own`` (None: not known) is what a stage has put there, as ``Brought``: after an empty line, a line for each
    content of a name. What else is in the folder is its owner's. ``found``: names of what the stage would have put
    there and has found there: after another empty line.
    """
    rows = "".join(
        [f"{_written(name)}\t{b}\t{crc:08x}\t{m}\t{i}\n" for name, (b, crc, m, i) in manifest.items()]
    )
    if own is not None:
        rows += "\n" + "".join(
            [f"{_written(name)}\t{b}\t{crc:08x}\n" for name in sorted(own) for b, crc in sorted(own[name])]
        )
        rows += "\n" + "".join([f"{_written(name)}\n" for name in sorted(found)]) if found else ""
    data = rows.encode("utf-8", "surrogateescape")
    publish_bytes(path, f"{HEADER}{hashlib.sha256(data).hexdigest()}\n".encode() + data)


def read_manifest(path: Path) -> Manifest:
    """The manifest in ``path``, sorted; empty when there is none or it is damaged (then everything is read again)."""
    try:
        return dict(sorted(map(_parsed, _sections(path)[0])))
    except (OSError, ValueError):
        return {}


def read_own(path: Path) -> Brought | None:
    """What a stage has put into the tree, as ``write_manifest`` was told; None where that is not known.

    A list of an earlier version has names alone: no content is known of them.
    """
    try:
        return _brought(_sections(path)[1])
    except (OSError, ValueError, IndexError):
        return None


def read_found(path: Path) -> frozenset[str]:
    """Names of what the stage has found in the tree, its owner's, and would have put there."""
    try:
        return frozenset(map(_read, _sections(path)[2]))
    except (OSError, ValueError, IndexError):
        return frozenset()


def members_of(path: Path) -> frozenset[str] | None:
    """Names of all that a stage answers for in the tree; None where that is not known."""
    own = read_own(path)
    return None if own is None else read_found(path) | own.keys()


def _brought(rows: Iterable[str]) -> Brought:
    found: Brought = {}
    for row in rows:
        name, *content = row.rsplit("\t", 2)  # no name of ours has a tab
        contents = {(int(content[0]), int(content[1], 16))} if content else set()
        found[_read(name)] = found.get(_read(name), frozenset()) | contents
    return found


def brought(root: Path, tree: str, vouched: str | None) -> Brought | None:
    """What a stage has put into ``root/tree``; None where that is not on record.

    Of a list with names alone the contents are those that the manifest has, where it is still the one whose digest
    (``vouched``) the receipt has: so the stage has left them.
    """
    noted = manifest_path(root, tree)
    own = read_own(noted)
    if own is None or all(own.values()):
        return own
    known = read_manifest(noted)
    if content_digest(known) != vouched:
        return None
    return {
        name: has or frozenset({content(known[name])}) for name, has in own.items() if has or name in known
    }


def _sections(path: Path) -> list[list[str]]:
    """The lines of the files, and those after each empty line. Raises ValueError where the file is damaged."""
    head, _, data = path.read_bytes().partition(b"\n")
    if head.decode("utf-8", "replace") != HEADER + hashlib.sha256(data).hexdigest():
        raise ValueError(f"{path}: the digest of its first line is not that of the others")
    rows = data.decode("utf-8", "surrogateescape").split("\n")[:-1]
    ends = [number for number, row in enumerate(rows) if not row]
    return [rows[start + 1 : end] for start, end in itertools.pairwise([-1, *ends, len(rows)])]


def _parsed(row: str) -> tuple[str, Member]:
    name, size, crc, mtime_ns, inode = row.rsplit("\t", 4)
    return _read(name), Member(int(size), int(crc, 16), int(mtime_ns), int(inode))


def _written(name: str) -> str:
    """A line break in a name would begin another row."""
    return name.replace("\\", "\\\\").replace("\n", "\\n") if "\n" in name or "\\" in name else name


def _read(name: str) -> str:
    if "\\" not in name:
        return name
    return "\\".join(part.replace("\\n", "\n") for part in name.split("\\\\"))
