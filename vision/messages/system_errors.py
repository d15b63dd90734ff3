"""What the operating system refused, for people: what, why, how to fix it. Never ``[Errno 28]``."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from vision.messages.advice import shown
from vision.messages.command_line import nearest
from vision.messages.imports import said_of_import

FULL = {errno.ENOSPC, errno.EDQUOT}
NO_THREAD = "can't start new thread"
"""What Python's RuntimeError says where the system gives no more threads."""

MOST_NAMES = 2000
"""Of a folder that are looked at for one that may have been meant."""

_KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"), (stat.S_ISREG, "a file"),
)  # fmt: skip
_AGAIN = "then run the same command"
_WORDS: dict[int, tuple[str, str, str]] = {
    errno.ENOENT: ("{where}: no such file or folder", "it does not exist, or was removed", "check the path"),
    errno.EACCES: ("{where} cannot be read or written", "permission is denied there", f"change the permissions of it and of the folders above it, or name another place, {_AGAIN}"),
    errno.EPERM: ("{where} cannot be changed", "the system does not permit it: it belongs to another user, or is marked immutable", f"look at it with ls -l and lsattr, {_AGAIN}"),
    errno.EROFS: ("{where} cannot be written", "the file system is mounted read-only", f"mount it for writing or name another place, {_AGAIN}"),
    errno.EIO: ("{where} cannot be read or written", "the disk reports an input/output error", f"look at the disk (dmesg, smartctl), {_AGAIN}"),
    errno.ENOTDIR: ("{above} is a file, not a folder", "{where} would be inside it", f"move it elsewhere or name another place, {_AGAIN}"),
    errno.EISDIR: ("{where} is a folder", "a file is expected there", "name a file"),
    errno.EEXIST: ("{where} is in the way", "something with that name exists already", "move it aside or choose another name"),
    errno.ENOTEMPTY: ("{where} is in the way", "it is a folder that is not empty", "move it aside or choose another name"),
    errno.ENAMETOOLONG: ("{where}: the name is too long", "the file system does not allow names this long", "choose a shorter name"),
    errno.ELOOP: ("{where} cannot be opened", "it is a link that points back to itself, or one where none is followed", "look at it with ls -l"),
    errno.EMFILE: ("too many files are open", "this process has reached its limit (ulimit -n)", f"raise it: ulimit -n 4096, {_AGAIN}"),
    errno.ENFILE: ("too many files are open", "the whole system has reached its limit", f"end other programs, {_AGAIN}"),
    errno.EAGAIN: ("the system gives no more processes or threads", "the limit of this user or container is reached (ulimit -u, pids.max)", f"end other programs, raise the limit or use fewer --workers, {_AGAIN}"),
    errno.ENOMEM: ("there is not enough memory", "the system refused more of it", f"end other programs or use fewer --workers, {_AGAIN}"),
    errno.EFBIG: ("{where} would be too large", "the file system or a limit (ulimit -f) does not allow files this large", f"raise the limit or name another place, {_AGAIN}"),
    errno.EXDEV: ("{where} cannot be moved there", "the two places are on different file systems", "keep both on one file system"),
    errno.ESTALE: ("{where} cannot be read or written", "the network file system has lost it (stale handle)", f"mount it again, {_AGAIN}"),
    errno.ENOTCONN: ("{where} cannot be read or written", "the file system behind it is not connected", f"mount it again, {_AGAIN}"),
    errno.ETIMEDOUT: ("{where} cannot be read or written", "the file system behind it does not answer", f"check the network and the mount, {_AGAIN}"),
    errno.EBUSY: ("{where} is in use", "another program or a mount holds it", f"end what uses it, {_AGAIN}"),
    errno.ETXTBSY: ("{where} is in use", "it is a program that runs", f"end it, {_AGAIN}"),
    errno.ENXIO: ("{where} cannot be opened", "it is a pipe, socket or device with nobody at the other end", "name a file"),
    errno.EPIPE: ("the output could not be written", "the program that read it has ended", "run it again without that program"),
    errno.EBADF: ("the output could not be written", "it has been closed", "leave stdout and stderr open, or send them to a file"),
}  # fmt: skip


def said_of(error: OSError) -> str:
    """Three lines: what, why, fix. An error that brings its own words, or three lines of them, is believed."""
    own = str(error.strerror or "")
    if "\n  fix: " in own:
        return own
    if error.errno is None and "shared object file" in str(
        error
    ):  # torch loads libraries of CUDA in this way
        return said_of_import(ImportError(str(error))) or str(error)
    if error.errno is None and len(error.args) == 1 and error.args[0]:  # one of ours, not the system's
        return str(error)
    what, why, fix = what_why_fix(error)
    return f"{what}\n  why: {why}\n  fix: {fix}"


def what_why_fix(error: OSError) -> tuple[str, str, str]:
    """What is wrong, why, and what to do; the file is named where the error names it."""
    where = shown(_name(error.filename))
    if error.errno in FULL:
        return _full(error, where)
    if error.errno in _WORDS:
        what, why, fix = _WORDS[error.errno]
        above = shown(_file_above(_name(error.filename)))
        named = error.errno == errno.ENOENT and error.filename is not None
        near = did_you_mean_path(Path(_name(error.filename))) if named else ""
        return (
            what.format(where=where, above=above),
            why.format(where=where),
            f"{fix}: {near}" if near else fix,
        )
    why = shown(
        error.strerror
        or (str(error) if error.errno is None else os.strerror(error.errno))
        or type(error).__name__
    )
    return f"{where} cannot be read or written", why, f"look at the disk and the permissions there, {_AGAIN}"


def _file_above(name: str) -> str:
    """The first on the way to ``name`` that is something else than a folder."""
    above = (place for place in reversed(Path(name).parents) if place.exists() and not place.is_dir())
    return str(next(above, name))


def kind_of(mode: int) -> str:
    """``a pipe`` for the ``st_mode`` of one."""
    return next((name for holds, name in _KINDS if holds(mode)), "no file")


def instead_of(wanted: str, path: Path) -> str:
    """What is at ``path`` where a ``file`` or a ``folder`` is ``wanted``: ``there is no folder x``, ``x is a file, not a folder``."""
    try:
        return f"{shown(path)} is {kind_of(path.stat().st_mode)}, not a {wanted}"
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            return f"{shown(path)} is a link to nothing"
        near = did_you_mean_path(path, {"file": Path.is_file, "folder": Path.is_dir}[wanted])
        return f"there is no {wanted} {shown(path)}" + (near and f": {near}")
    except OSError as error:
        return f"{shown(path)}: {reason(error)}"


def did_you_mean_path(path: Path, fits: Callable[[Path], bool] = Path.exists) -> str:
    """``did you mean 'models/a'?``, or nothing."""
    near = nearest_path(path)
    return f"did you mean {str(near)!r}?" if near is not None and near != path and fits(near) else ""


def nearest_path(path: Path) -> Path | None:
    """What is there under nearly the name of ``path``, in a folder of nearly that name, and so on; None where nothing is."""
    place = Path(path.anchor)
    for name in path.parts[len(place.parts) :]:
        if os.path.lexists(place / name):
            place /= name
            continue
        try:
            with os.scandir(place) as found:
                names = [entry.name for entry in islice(found, MOST_NAMES)]
        except OSError:
            return None
        near = nearest(name, (each for each in names if not each.startswith(".")))
        if near is None:
            return None
        place /= near
    return place


def reason(error: OSError) -> str:
    """A few words for inside a sentence: ``permission denied``; neither number nor path."""
    inner = getattr(error, "reason", None)  # urllib's URLError carries the system's error
    if isinstance(inner, OSError):
        return reason(inner)
    if (
        error.errno is None or error.errno < 0
    ):  # of our own making; or of getaddrinfo, which counts from below
        return shown(error.strerror or str(error) or type(error).__name__)
    return os.strerror(error.errno).lower()


def in_words(error: BaseException) -> str:
    """For inside a message: what the system refused with the file, or any other error's own words."""
    if isinstance(error, KeyError):
        return f"the key {error} is missing"
    if not isinstance(error, OSError):
        return str(error) or type(error).__name__
    return reason(error) if error.filename is None else f"{shown(_name(error.filename))}: {reason(error)}"


def _name(filename: object) -> str:
    if filename is None or isinstance(filename, int):
        return "a file"
    return os.fsdecode(filename) if isinstance(filename, (str, bytes, os.PathLike)) else str(filename)


def _full(error: OSError, where: str) -> tuple[str, str, str]:
    """Out of bytes, out of names, out of quota, or a device that never takes anything."""
    path = None if error.filename is None else Path(_name(error.filename))
    told = shown(error.strerror or "")
    if path is not None and _is_device(path):
        return (
            f"{where} takes nothing",
            "it is a device, not a file (/dev/full refuses every byte)",
            "name a file",
        )
    if error.errno == errno.EDQUOT or "quota" in told.lower():
        return (
            f"the quota is used up: {where}",
            told or "the system says so",
            f"free some of your files there or ask for more (quota -s), {_AGAIN}",
        )
    if path is not None and out_of_names(path):
        return (
            f"the file system has no room for another file: {where}",
            "its inodes are used up, though bytes are free (df -i shows them)",
            f"remove files there, many small ones, or name another place, {_AGAIN}",
        )
    why = told if told and told != os.strerror(errno.ENOSPC) else f"no space left while writing {where}"
    return (
        "the disk is full",
        why if where in why or path is None else f"{where}: {why}",
        f"free some space, {_AGAIN}",
    )


def _is_device(path: Path) -> bool:
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        return False


def out_of_names(path: Path) -> bool:
    """Whether the file system of ``path``, or of the next folder above it that is there, has inodes and none is free."""
    for place in (path, *path.absolute().parents):
        try:
            found = os.statvfs(place)
        except OSError:
            continue
        return found.f_files > 0 and found.f_favail == 0
    return False


def said_of_no_thread() -> str:
    """Three lines for the RuntimeError NO_THREAD."""
    return said_of(OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)))
