"""Reads pictures out of a folder that nobody vouches for: no link is followed, nothing blocks, nothing is too big."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from vision.images.formats import IMAGE_SUFFIXES, MAX_BYTES, BadImage

_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_FOLDER_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC

_KINDS = (
    (stat.S_ISLNK, "link: symbolic links are not followed"),
    (stat.S_ISDIR, "directory"),
    (stat.S_ISFIFO, "fifo: a named pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)

_VERDICTS = {
    errno.ENOENT: "missing: no such file",
    errno.ENOTDIR: "missing: no such file",
    errno.ENAMETOOLONG: "missing: the name is too long for a file",
    errno.ELOOP: "link: symbolic links are not followed",
    errno.ENXIO: "socket",
    errno.EACCES: "unreadable: permission denied",
    errno.EPERM: "unreadable: permission denied",
}
"""Errors that say something about the one file. Others (EIO, ENOMEM, …) say something about the machine."""


class FileFacts(NamedTuple):
    """What tells that a file is still the one that was looked at."""

    bytes: int
    mtime_ns: int
    inode: int


class DiskFault(OSError):
    """A file could not be read for a cause that is not the file's: it is not thereby a bad picture."""


def facts_now(folder: Path, name: str) -> FileFacts | None:
    """Size, mtime and inode of a regular file below ``folder``, None for anything else."""
    try:
        found = (folder / name).lstat()
    except (OSError, ValueError):
        return None
    return _facts(found) if stat.S_ISREG(found.st_mode) else None


def read_picture(folder: str, name: str) -> tuple[bytes, FileFacts]:
    """The bytes of ``folder/name``.

    :raises BadImage: missing, a link, no regular file, unreadable, too large
    :raises DiskFault: when the machine is at fault
    """
    try:
        descriptor = _open_below(_folder(folder), name)
    except OSError as error:
        raise _explained(error, folder, name) from None
    try:
        found = os.fstat(descriptor)
        _require_regular(found)
        if found.st_size > MAX_BYTES:
            raise BadImage(f"too_many_bytes: {found.st_size:,}, at most {MAX_BYTES:,}")
        return _read_all(descriptor, found.st_size), _facts(found)
    except OSError as error:
        raise _explained(error, folder, name) from None
    finally:
        os.close(descriptor)


def list_entries(folder: Path, below: str = "") -> Iterator[str]:
    """Every entry below ``folder`` in order of name, as paths relative to it.

    Folders are gone into, links never; a folder is listed itself when it is empty or named like a picture.
    """
    try:
        with os.scandir(folder / below) as found:
            entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in found)
    except PermissionError:
        entries = []
    if not entries and below:
        yield below
    for name, is_folder in entries:
        path = f"{below}/{name}" if below else name
        if not is_folder or PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES:
            yield path
        if is_folder:
            looks_like_picture = PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES
            yield from (
                inner for inner in list_entries(folder, path) if not (looks_like_picture and inner == path)
            )


def printable(name: str) -> str:
    """A name that can stand in a JSON file: bytes that are not UTF-8 are written as ``\\xff``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@cache
def _folder(folder: str) -> int:
    """Kept open: one look-up for a hundred thousand pictures, and renames above it change nothing."""
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _open_below(folder: int, name: str) -> int:
    """Opens component by component, so that no folder on the way can be a link either."""
    *parents, last = name.split("/")
    opened: list[int] = []
    try:
        for parent in parents:
            folder = os.open(parent, _FOLDER_FLAGS, dir_fd=folder)
            opened.append(folder)
        # looking before opening: to open a device can have effects
        _require_regular(os.stat(last, dir_fd=folder, follow_symlinks=False))
        return os.open(last, _FILE_FLAGS, dir_fd=folder)
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _require_regular(found: os.stat_result) -> None:
    for is_kind, reason in _KINDS:
        if is_kind(found.st_mode):
            raise BadImage(reason)


def _read_all(descriptor: int, size: int) -> bytes:
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    pieces = [data]
    while piece := os.read(descriptor, 2**20):
        pieces.append(piece)
        if sum(map(len, pieces)) > MAX_BYTES:
            raise BadImage(f"too_many_bytes: grows while it is read, at most {MAX_BYTES:,}")
    return b"".join(pieces)


def _explained(error: OSError, folder: str, name: str) -> BadImage | DiskFault:
    if error.errno in _VERDICTS:
        return BadImage(_VERDICTS[error.errno])
    return DiskFault(error.errno, error.strerror, str(PurePosixPath(folder, name)))


def _facts(found: os.stat_result) -> FileFacts:
    return FileFacts(found.st_size, found.st_mtime_ns, found.st_ino)
