"""Reading zip archives that nobody vouches for: the whole plan is checked before the first byte is written.

An archive is refused whole, by name and reason, for anything that could write elsewhere, never end, or mean two
things: escapes, links, devices, bombs, overlaps, duplicates, encryption.
"""

from __future__ import annotations

import os
import stat
import struct
import threading
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeVar

from pipeline.archive_directory import count_entries, find_directory
from pipeline.stage import Interrupted

T = TypeVar("T")
MAX_MEMBERS = 1_000_000
MAX_DIRECTORY = 256 << 20
"""Bytes of the directory, which is read in one piece; that of COCO's largest archive has 10 MB."""
MAX_RATIO = 200
"""Unpacked to packed size of a member over 1 MiB; COCO's annotations reach about 8, its pictures 1."""
RATIO_FROM = 1 << 20
MAX_TOTAL = 64 << 30
MAX_NAME, MAX_PATH = 250, 1024
"""Bytes of a name and of a path; a name has to leave room for ``.part``."""
LOCAL_HEADER = 30
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ENCRYPTED = 0x1 | 0x40 | 0x2000
"""Flags: encrypted, strongly encrypted, directory encrypted."""
PATCH = 0x20
UTF8 = 0x800
"""Flag: the name is UTF-8, and not the code page of the first PCs."""
CHUNK = 1 << 20
ASKED_EVERY, POLL_S = 4096, 0.1
KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip
AT_ONCE = 32 << 20
"""Bytes of a stored member that is read in one piece."""


class BadArchive(ValueError):
    """The archive is refused; says which member and why."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive: its name with ``/``, its size and CRC-32 when unpacked."""

    name: str
    bytes: int
    crc32: int
    info: zipfile.ZipInfo


def never() -> bool:
    """Nobody asks to stop."""
    return False


def plan(archive: zipfile.ZipFile, should_stop: Callable[[], bool] = never) -> list[Member]:
    """The files of an archive, checked; folders are left out, since files make them.

    Raises:
        BadArchive: see the module; Interrupted: asked to stop.
    """
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:  # found before, unless zipfile has found another directory
        raise BadArchive(f"{len(infos):,} entries, at most {MAX_MEMBERS:,} are taken")
    for info in asking(infos, should_stop):
        fault = _fault(info)
        if fault:
            raise BadArchive(f"member {info.orig_filename!r}: {fault}")
    _refuse_duplicates(infos, should_stop)
    _refuse_overlaps(infos, archive.start_dir, should_stop)
    total = sum(info.file_size for info in infos)
    if total > MAX_TOTAL:
        raise BadArchive(f"{total:,} bytes unpacked, at most {MAX_TOTAL:,} are taken")
    return [Member(info.filename, info.file_size, info.CRC, info) for info in infos if not info.is_dir()]


def asking(items: Iterable[T], should_stop: Callable[[], bool]) -> Iterator[T]:
    """``items``; raises Interrupted among them when asked to stop."""
    for number, item in enumerate(items):
        if number % ASKED_EVERY == 0 and should_stop():
            raise Interrupted("while looking at the directory of an archive")
        yield item


@contextmanager
def open_archive(path: Path, should_stop: Callable[[], bool] = never) -> Iterator[zipfile.ZipFile]:
    """The zip file ``path`` to read.

    Raises:
        BadArchive: it is no regular file, no zip file, or its directory is damaged; Interrupted: asked to stop.
    """
    _require_regular(
        path.stat()
    )  # before opening: a pipe would wait for its writer, a device may do something
    with open(path, "rb", opener=_not_waiting) as file:
        _require_regular(os.fstat(file.fileno()))
        _refuse_many(file, should_stop)
        with _parsed(file, should_stop) as archive:
            yield archive


def _refuse_many(file: BinaryIO, should_stop: Callable[[], bool]) -> None:
    """Before zipfile makes an object of each: 2.5 million took it 24 s and 1.2 GB."""
    directory = find_directory(file)
    if directory is None:
        return
    if directory.bytes > MAX_DIRECTORY:
        raise BadArchive(f"a directory of {directory.bytes:,} bytes, at most {MAX_DIRECTORY:,} are taken")
    if directory.announced > MAX_MEMBERS:
        raise BadArchive(f"{directory.announced:,} entries, at most {MAX_MEMBERS:,} are taken")
    if count_entries(file, directory, MAX_MEMBERS, should_stop) > MAX_MEMBERS:
        raise BadArchive(
            f"more than {MAX_MEMBERS:,} entries, at most so many are taken, and {directory.announced:,} are announced"
        )
    file.seek(0)


def _parsed(file: BinaryIO, should_stop: Callable[[], bool]) -> zipfile.ZipFile:
    """zipfile reads the whole directory in one call, 10 s for a million members: another thread waits for it."""
    done: Future[zipfile.ZipFile] = Future()

    def parse() -> None:
        try:
            done.set_result(zipfile.ZipFile(file))
        except BaseException as error:  # raised below, where it is asked for
            done.set_exception(error)

    threading.Thread(target=parse, daemon=True).start()
    while not wait([done], POLL_S).done:
        if should_stop():
            raise Interrupted("while reading the directory of an archive")
    try:
        return done.result()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error) as error:
        raise BadArchive(f"its directory can not be read: {error}") from error


def _not_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _require_regular(found: os.stat_result) -> None:
    for is_kind, kind in KINDS:
        if is_kind(found.st_mode):
            raise BadArchive(f"it is {kind}, no file")


def _fault(info: zipfile.ZipInfo) -> str | None:
    return _name_fault(info.orig_filename) or _alias(info) or _kind_fault(info) or _size_fault(info)


def _alias(info: zipfile.ZipInfo) -> str | None:
    """Newer versions of zipfile take another name from an extra field (0x7075)."""
    return f"a second name, {info.filename!r}" if info.filename != info.orig_filename else None


def _name_fault(name: str) -> str | None:
    parts = PurePosixPath(name).parts
    if "\0" in name:
        return "NUL in its name"
    if "\\" in name:
        return "backslash in its name"
    if not parts or name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "an absolute or empty path"
    if ".." in parts or "." in name.split("/"):
        return "a path that leaves the folder"
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        return "a control character in its name"
    if any(len(part.encode("utf-8", "surrogateescape")) > MAX_NAME for part in parts):
        return f"a name longer than {MAX_NAME} bytes"
    if len(name.encode("utf-8", "surrogateescape")) > MAX_PATH:
        return f"a path longer than {MAX_PATH} bytes"
    return None


def _kind_fault(info: zipfile.ZipInfo) -> str | None:
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        return "a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a device, pipe or socket"
    if (kind == stat.S_IFDIR) != info.is_dir() and kind:
        return "folder and file at once"
    if mode & (stat.S_ISUID | stat.S_ISGID):
        return "set-user-id or set-group-id"
    if info.flag_bits & ENCRYPTED:
        return "encrypted"
    if info.flag_bits & PATCH:
        return "a patch of another file"
    if info.compress_type not in METHODS:
        return f"compression method {info.compress_type} (stored and deflated are read)"
    return None


def _size_fault(info: zipfile.ZipInfo) -> str | None:
    if info.is_dir() and info.file_size:
        return "a folder with content"
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        return f"stored, but {info.compress_size:,} packed and {info.file_size:,} unpacked bytes"
    if info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * max(1, info.compress_size):
        return f"{info.file_size:,} bytes out of {info.compress_size:,}: more than {MAX_RATIO} to 1"
    return None


def _refuse_duplicates(infos: list[zipfile.ZipInfo], should_stop: Callable[[], bool]) -> None:
    seen: dict[str, str] = {}
    for info in asking(infos, should_stop):
        key = unicodedata.normalize("NFC", info.filename.rstrip("/")).casefold()
        if key in seen:
            raise BadArchive(f"member {info.filename!r}: the name is taken by {seen[key]!r}")
        seen[key] = info.filename
    for key, name in seen.items():
        if f"{key}.part" in seen:
            raise BadArchive(f"member {name!r}: while it is written its name is {seen[f'{key}.part']!r}")
    files = {unicodedata.normalize("NFC", info.filename).casefold() for info in infos if not info.is_dir()}
    for key, name in asking(seen.items(), should_stop):
        for parent in PurePosixPath(key).parents:
            if str(parent) in files:
                raise BadArchive(f"member {name!r}: {str(parent)!r} is a file and a folder")


def _refuse_overlaps(infos: list[zipfile.ZipInfo], directory: int, should_stop: Callable[[], bool]) -> None:
    end, before = 0, ""
    for info in asking(sorted(infos, key=lambda info: info.header_offset), should_stop):
        if info.header_offset < end:
            raise BadArchive(f"member {info.filename!r}: overlaps {before!r}")
        name_bytes = len(_encoded_name(info))
        end, before = info.header_offset + LOCAL_HEADER + name_bytes + info.compress_size, info.filename
    if end > directory:
        raise BadArchive(f"member {before!r}: runs into the directory")


def unpack(
    archive: zipfile.ZipFile, member: Member, folder: Path, should_stop: Callable[[], bool] = never
) -> None:
    """Writes one member below ``folder``: never more bytes than planned, under its name only when the CRC is right.

    Raises:
        BadArchive: size or CRC are not those of the directory; Interrupted: asked to stop in a large member.
    """
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        if member.info.compress_type == zipfile.ZIP_STORED and member.bytes <= AT_ONCE:
            part.write_bytes(_stored(archive, member))
        else:
            with archive.open(member.info) as source, part.open("wb") as sink:
                _copy(source, sink, member, should_stop)  # type: ignore[arg-type]
    except Interrupted:
        part.unlink(missing_ok=True)  # nothing goes on in the middle of a member
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error, ValueError) as error:
        part.unlink(missing_ok=True)
        raise BadArchive(f"member {member.name!r}: {error}") from error
    os.replace(part, target)


def _stored(archive: zipfile.ZipFile, member: Member) -> bytes:
    """The bytes of a member that was not packed, as COCO's pictures: read where they stand, without zipfile's lock.

    .ZIP File Format Specification, 4.3.7: signature, …, length of name, length of extra field, name, extra field.
    """
    assert archive.fp is not None, "the archive is open"
    descriptor, start = archive.fp.fileno(), member.info.header_offset
    signature, name_bytes, extra_bytes = struct.unpack("<4s22xHH", os.pread(descriptor, LOCAL_HEADER, start))
    name = os.pread(descriptor, name_bytes, start + LOCAL_HEADER)
    if signature != b"PK\3\4" or name != _encoded_name(member.info):
        raise zipfile.BadZipFile("another member than the directory says")
    data = os.pread(descriptor, member.bytes, start + LOCAL_HEADER + name_bytes + extra_bytes)
    if len(data) != member.bytes or zlib.crc32(data) != member.crc32:
        raise zipfile.BadZipFile("size or CRC-32 are not those of the directory")
    return data


def _encoded_name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & UTF8 else "cp437", "replace")


def _copy(source: BinaryIO, sink: BinaryIO, member: Member, should_stop: Callable[[], bool]) -> None:
    left, crc = member.bytes, 0
    while chunk := source.read(CHUNK):
        if should_stop():
            raise Interrupted(member.name)
        left -= len(chunk)
        if left < 0:
            raise zipfile.BadZipFile(f"more than the {member.bytes:,} bytes it announces")
        crc = zlib.crc32(chunk, crc)
        sink.write(chunk)
    if left or crc != member.crc32:
        raise zipfile.BadZipFile("size or CRC-32 are not those of the directory")
