"""What may be where something is published: nothing, or an older one of its kind. All else is its owner's.

A link is refused, too, whatever it points to: replaced, it would silently be a file; followed, a file elsewhere that
nobody named would be. Ask before a long work, not at its end.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from vision.messages.advice import shown
from vision.messages.system_errors import kind_of


class NotReplaced(OSError):
    """A device, pipe, socket, link or folder is where a file is to be published (or a file where a folder is).

    ``strerror`` and ``str()`` are three lines: what, why, fix; ``filename`` is the place.
    """

    def __str__(self) -> str:
        return str(self.strerror)


def require_file_place(path: Path, fix: str = "") -> None:
    """Raises NotReplaced unless ``path`` is a regular file or nothing at all. A parent that is missing is no matter.

    ``fix``: what to do about it, where that is not to name another file.
    """
    _require(Path(path), stat.S_ISREG, "a file should be written there", "name another file", fix)


def require_folder_place(path: Path, fix: str = "") -> None:
    """Raises NotReplaced unless ``path`` is a folder (no link to one) or nothing at all; ``fix`` as above."""
    _require(Path(path), stat.S_ISDIR, "a folder is to be made there", "name another place", fix)


def _require(path: Path, wanted: object, why: str, other: str, own_fix: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if wanted(mode):  # type: ignore[operator]
        return
    link = stat.S_ISLNK(mode)
    kind = f"a link to {shown(str(path.readlink()))}" if link else kind_of(mode)
    fix = own_fix or f"{other}{', or what it points to' if link else ''}"
    raise _refused(path, f"is {kind}", f"{why}, and only an older one of its kind ever gives way", fix)


def _refused(path: Path, what: str, why: str, fix: str) -> NotReplaced:
    lines = f"{shown(path)} {what} and is not replaced\n  why: {why}\n  fix: {fix}"
    return NotReplaced(errno.EEXIST, lines, str(path))


def not_ours(path: Path, why: str, option: str) -> NotReplaced:
    """For a file that may be its owner's, such as an image of a data set: no command that moves it is printed."""
    return _refused(path, "is there", why, f"name another {option}, or move that file elsewhere yourself")


def open_to_append(path: Path) -> int:
    """The descriptor of a regular file to append to, made where there is none; a pipe is never waited for.

    Raises NotReplaced for anything else, links included.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    require_file_place(path)
    descriptor = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        require_file_place(path)  # it came in between, and is named
    return descriptor
