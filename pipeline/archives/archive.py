"""Reading zip archives that nobody vouches for: the whole plan is checked before the first byte is written.

An archive is refused whole, by name and reason, for anything that could write elsewhere, never end, or mean two
things: escapes, links, devices, bombs, overlaps, duplicates, encryption, names in no known alphabet.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.archives.fault import DAMAGED, DOUBTFUL, EITHER, HEAD, BadArchive, no_zip, packed_otherwise
from pipeline.archives.local_header import ENCRYPTED, find_data
from pipeline.archives.members import Members
from pipeline.archives.zip_directory import (
    LOCAL,
    LOCAL_SIGNATURE,
    Directory,
    DirectoryError,
    Entry,
    entries,
    find_directory,
)
from pipeline.plain_paths import checking, clash, path_fault
from pipeline.stop import NEVER, Stop
from vision.messages.terminal import counted

MAX_MEMBERS = 1_000_000
MAX_DIRECTORY = 256 << 20
"""Bytes of the directory; that of COCO's largest archive has 10 MB."""
MAX_RATIO = 200
"""Unpacked to packed size of a member over 1 MiB, and of all together; COCO's annotations reach about 8, its images 1."""
RATIO_FROM = 1 << 20
MAX_SWOLLEN = 64 << 20
"""Unpacked bytes of all members together that are packed better than that, however small each is."""
MAX_TOTAL = 64 << 30
STORED, DEFLATED = 0, 8
PATCH = 0x20
UTF8 = 0x800
"""Flag: the name is UTF-8."""
KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Archive:
    """An open zip file and the offset of its directory."""

    path: Path
    file: BinaryIO
    directory: Directory


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """The zip file ``path`` to read.

    Raises:
        BadArchive: it is no regular file, no zip file, or its directory is not found.
    """
    _require_regular(
        path.stat()
    )  # before opening: a pipe would wait for its writer, a device may do something
    with open(path, "rb", opener=_not_waiting) as file:
        _require_regular(os.fstat(file.fileno()))
        if other := packed_otherwise(os.pread(file.fileno(), HEAD, 0)):
            raise other
        with _said():
            directory = find_directory(file)
        if directory is None:
            raise no_zip(file)
        if directory.bytes > MAX_DIRECTORY:
            raise BadArchive(f"a directory of {directory.bytes:,} bytes; the limit is {MAX_DIRECTORY:,}")
        if directory.announced > MAX_MEMBERS:
            raise BadArchive(f"{counted(directory.announced, 'entry')}; the limit is {MAX_MEMBERS:,}")
        yield Archive(path, file, directory)


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except DirectoryError as error:
        remedies = {True: DOUBTFUL, False: DAMAGED, None: EITHER}
        raise BadArchive(str(error), remedies[error.doubtful]) from error


def _not_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _require_regular(found: os.stat_result) -> None:
    for is_kind, kind in KINDS:
        if is_kind(found.st_mode):
            raise BadArchive(f"it is {kind}, not a file", "put the archive itself there ({get_it})")


def plan(archive: Archive, stop: Stop = NEVER) -> Members:
    """The files of an archive, checked; folders are left out, since files make them.

    Raises:
        BadArchive: see the module; Interrupted: asked to stop.
    """
    members, swollen, check = Members(), 0, stop.check
    with _said():
        for number, entry in enumerate(checking(entries(archive.file, archive.directory), check)):
            if number == MAX_MEMBERS:
                raise BadArchive(
                    f"more than {MAX_MEMBERS:,} entries, which is the limit; announced: {archive.directory.announced:,}"
                )
            name = _checked(entry)
            members.add(name, entry.raw, entry.size, entry.crc32, entry.packed, entry.method, entry.offset)
            swollen += entry.size if entry.size > MAX_RATIO * max(1, entry.packed) else 0
        archive.directory.require_all(len(members.names))
    if not len(members):
        raise BadArchive("there is no file in it", "check that it is the archive that was meant ({get_it})")
    _refuse_clashes(members, check)
    _refuse_overlaps(archive, members, check)
    _refuse_bombs(members, swollen)
    return members


def _checked(entry: Entry) -> str:
    """The name of an entry with which nothing is wrong; raises BadArchive."""
    name = _name(entry)
    fault = path_fault(name) or _kind_fault(entry, name) or _size_fault(entry, name)
    if fault:
        raise BadArchive(f"member {name!r}: {fault}")
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise BadArchive(
            f"member {name!r}: file names here are {error.encoding}, which has no such letter",
            "run it in a UTF-8 locale: LC_ALL=C.UTF-8",
        ) from error
    return name


def _name(entry: Entry) -> str:
    """UTF-8, flagged or not: programs for Unix write it without the flag. Any other alphabet would be a guess.

    A second name in UTF-8 counts where the first one is in some other alphabet; elsewhere both have to be the same.
    """
    try:
        name = entry.raw.decode()
    except UnicodeDecodeError:
        name = None
    try:
        second = entry.unicode_path.decode() if entry.unicode_path is not None else None
    except UnicodeDecodeError:
        second = ""
    if name is not None and second in (None, name):
        return name
    shown = entry.raw.decode("utf-8", "backslashreplace")
    if name is not None or second == "":
        raise BadArchive(f"member {shown!r}: a second name, {second!r}")
    if second is not None and not entry.flags & UTF8:
        return second
    said = (
        "is not UTF-8, as its flag says"
        if entry.flags & UTF8
        else "is neither UTF-8 nor in an alphabet that is told"
    )
    raise BadArchive(
        f"member {shown!r}: its name {said}",
        "pack it again with names in UTF-8 (zip on Linux or macOS, 7z with -mcu=on), or ask its publisher to",
    )


def _kind_fault(entry: Entry, name: str) -> str | None:
    mode = entry.attributes >> 16
    kind, is_folder = stat.S_IFMT(mode), name.endswith("/")
    if kind == stat.S_IFLNK:
        return "a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a device, pipe or socket"
    if (kind == stat.S_IFDIR) != is_folder and kind:
        return "folder and file at once"
    if mode & (stat.S_ISUID | stat.S_ISGID):
        return "set-user-id or set-group-id"
    if entry.flags & ENCRYPTED:
        return "encrypted"
    if entry.flags & PATCH:
        return "a patch of another file"
    if entry.method not in (STORED, DEFLATED):
        return f"compression method {entry.method} (stored and deflated are read)"
    return None


def _size_fault(entry: Entry, name: str) -> str | None:
    if name.endswith("/") and entry.size:
        return "a folder with content"
    if entry.method == STORED and entry.packed != entry.size:
        return f"stored, but {entry.packed:,} packed and {entry.size:,} unpacked bytes"
    if entry.size > RATIO_FROM and entry.size > MAX_RATIO * max(1, entry.packed):
        return f"{entry.size:,} bytes out of {entry.packed:,}: more than {MAX_RATIO} to 1"
    return None


def _refuse_clashes(members: Members, check: Callable[[], None]) -> None:
    found = clash(members.names, check)
    if found:
        first, second = members.names[found.first], members.names[found.second]
        raise BadArchive(f"member {second!r}: {found.how} {first!r}")


def _refuse_overlaps(archive: Archive, members: Members, check: Callable[[], None]) -> None:
    """Overlaps, and what lies between the members; also notes for each entry where it has to end.

    Headers are read where a gap has room for one more: those of COCO's archives are not, an 18 GB file would be read twice.
    """
    offsets, directory = members.offsets, archive.directory.start
    members.limits.extend(directory for _ in offsets)
    order = sorted(range(len(offsets)), key=offsets.__getitem__)
    doubted = []
    for place, row in enumerate(checking(order, check)):
        after = order[place + 1] if place + 1 < len(order) else -1
        limit = offsets[after] if after >= 0 else directory
        raw = members.raws.get(row) or members.names[row].encode()
        gap = limit - offsets[row] - LOCAL.size - len(raw) - members.packed[row]
        if gap < 0:
            what = f"overlaps {members.names[after]!r}" if after >= 0 else "runs into the directory"
            raise BadArchive(f"member {members.names[row]!r}: {what}")
        members.limits[row] = limit
        if gap >= LOCAL.size or members.names[row].endswith("/"):
            doubted.append(row)
    for row in checking(doubted, check):
        find_data(archive.file.fileno(), members.at_row(row))
    if _has_header(archive.file, offsets[order[0]]):
        raise BadArchive(
            "in front of its members is one that its directory does not know: two archives in one, or one that was cut",
            EITHER,
        )


def _has_header(file: BinaryIO, end: int) -> bool:
    """Whether the header of a member is before ``end``."""
    if not end:
        return False
    with mmap.mmap(file.fileno(), end, access=mmap.ACCESS_READ) as front:
        return front.find(LOCAL_SIGNATURE) >= 0


def _refuse_bombs(members: Members, swollen: int) -> None:
    """What no member is alone, all of them may be together."""
    total, packed = members.bytes, sum(members.packed)
    if total > MAX_TOTAL:
        raise BadArchive(f"{total:,} bytes unpacked; the limit is {MAX_TOTAL:,}")
    if total > RATIO_FROM and total > MAX_RATIO * packed:
        raise BadArchive(
            f"{total:,} bytes out of {packed:,}, all members together: more than {MAX_RATIO} to 1"
        )
    if swollen > MAX_SWOLLEN:
        raise BadArchive(
            f"members packed more than {MAX_RATIO} to 1 have {swollen:,} bytes together; the limit is {MAX_SWOLLEN:,}"
        )
