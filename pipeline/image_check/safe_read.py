"""Reads images out of a folder that nobody vouches for: nothing blocks, nothing is too big, no device is opened.

Links, stated once: a link in the place of an image is followed, wherever it leads, when there is a regular file at its
end; extraction makes no links, so whoever owns the folder has put it there. A folder on the way that is a link is not
followed, so that a name stays inside the image folder. What is at the end of a link is held before it is looked at, and
read only when it is a regular file.
"""

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
_FOLLOWED_FLAGS = _FILE_FLAGS & ~os.O_NOFOLLOW
_HOLD_FLAGS = getattr(os, "O_PATH", os.O_NONBLOCK | os.O_NOCTTY) | os.O_CLOEXEC
"""Holds what a name stands for without opening it, where the system can do that (Linux)."""
_FOLDER_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC

_KINDS = (
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
    errno.ELOOP: "link: it points back to itself",
    errno.ENXIO: "socket",
    errno.EACCES: "unreadable: permission denied",
    errno.EPERM: "unreadable: permission denied",
}
"""Errors that say something about the one file. Others (EIO, ENOMEM, …) say something about the machine."""


ABSENT = ("missing", "unreadable: permission denied")
"""How the reasons begin that are about the moment and not about the image: they may pass by themselves."""


class FileFacts(NamedTuple):
    """What tells that a file is still the one that was looked at."""

    bytes: int
    mtime_ns: int
    inode: int


class DiskFault(OSError):
    """A file could not be read for a cause that is not the file's: it is not thereby a bad image."""


def facts_now(folder: Path, name: str) -> FileFacts | None:
    """Size, mtime and inode of a regular file below ``folder``, or at the end of a link there; None for anything else.

    As where it is read: nothing is there behind a folder that is a link.
    """
    try:
        if any((folder / above).is_symlink() for above in PurePosixPath(name).parents[:-1]):
            return None
        found = (folder / name).stat()
    except (OSError, ValueError):
        return None
    return _facts(found) if stat.S_ISREG(found.st_mode) else None


def read_image(folder: str, name: str) -> tuple[bytes, FileFacts]:
    """The bytes of ``folder/name``.

    :raises BadImage: missing, no regular file, behind a folder that is a link, unreadable, too large
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

    Folders are gone into, links to folders never; a folder is listed itself when it is empty or named like an image.
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
            looks_like_image = PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES
            yield from (
                inner for inner in list_entries(folder, path) if not (looks_like_image and inner == path)
            )


def printable(name: str) -> str:
    """A name that JSON can hold: bytes that are not UTF-8 are written as ``\\xff``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@cache
def _folder(folder: str) -> int:
    """Kept open: one look-up for a hundred thousand images, and renames above it change nothing."""
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def is_absent(reason: str | None) -> bool:
    """Whether a reject says that there was no image to be read just then, see ABSENT."""
    return (reason or "").startswith(ABSENT)


def is_readable(folder: Path, name: str) -> bool:
    """Whether there is a regular file now that this process may read."""
    return facts_now(folder, name) is not None and os.access(folder / name, os.R_OK)


def _open_below(folder: int, name: str) -> int:
    """Opens component by component, so that no folder on the way can be a link either."""
    *parents, last = name.split("/")
    opened: list[int] = []
    try:
        for parent in parents:
            folder = _open_folder(parent, folder)
            opened.append(folder)
        # looking before opening: to open a device can have effects
        found = os.stat(last, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            return _open_behind(last, folder)
        _require_regular(found)
        return os.open(last, _FILE_FLAGS, dir_fd=folder)
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _open_folder(name: str, folder: int) -> int:
    try:
        return os.open(name, _FOLDER_FLAGS, dir_fd=folder)
    except OSError:
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise BadImage(
                f"link: the folder {name!r} is a link; links to images are followed, those to folders are not"
            ) from None
        raise


def _open_behind(link: str, folder: int) -> int:
    """Opens the regular file at the end of a link: the very one that was looked at, also when the link changes."""
    try:
        held = os.open(link, _HOLD_FLAGS, dir_fd=folder)
    except FileNotFoundError:
        raise BadImage("missing: a link to a file that is not there") from None
    try:
        _require_regular(os.fstat(held), "behind a link")
        try:
            return os.open(f"/proc/self/fd/{held}", _FOLLOWED_FLAGS)
        except FileNotFoundError:  # no /proc: opened by name, and looked at again by the caller
            return os.open(link, _FOLLOWED_FLAGS, dir_fd=folder)
    finally:
        os.close(held)


def _require_regular(found: os.stat_result, where: str = "") -> None:
    for is_kind, reason in _KINDS:
        if is_kind(found.st_mode):
            raise BadImage(f"{reason}{', ' if ':' in reason else ': '}{where}" if where else reason)


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
