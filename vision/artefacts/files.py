"""Publishing files: a wrong or half-written file never has the right name.

The order is always: temporary file in the same folder → write → fsync → rename → fsync of the folder. A failed
fsync means the data is lost, so the temporary file is thrown away and an older file under the name stays.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import itertools
import json
import os
import re
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision.artefacts.targets import require_file_place, require_folder_place
from vision.messages.system_errors import FULL, out_of_names

TEMPORARY = ".tmp-"
"""What the names of temporary files begin with."""
CHUNK = 1 << 20
SYNC_THREADS = 8
SYNC_BATCH = 256


class OutOfSpace(OSError):
    """The disk (or the quota) is full; ``filename`` names what was being written."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file as it was when it was recorded: size, time of change in ns, inode, SHA-256 in hex."""

    bytes: int
    mtime_ns: int
    inode: int
    sha256: str


@contextmanager
def atomic_publish(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside ``path`` to write to; when the body ends well it becomes ``path``.

    Raises:
        OutOfSpace: the disk is full, also when torch said so in its own words. The older ``path`` stays.
        NotReplaced: what is there is no regular file; before the body, and again before it would be replaced.
    """
    path = Path(path)
    require_file_place(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex[:12]}-{path.name}")
    try:
        with space_errors(path):
            yield temporary
            fsync_file(temporary)
            require_file_place(path)
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with space_errors(path):
        fsync_folder(path.parent)


@contextmanager
def space_errors(path: Path) -> Iterator[None]:
    """Turns what a full disk raises in the body into OutOfSpace with the name of ``path``; names it elsewhere, too."""
    try:
        yield
    except OutOfSpace:
        raise
    except (OSError, RuntimeError) as error:
        if not _is_full_disk(error, path):
            if isinstance(error, OSError) and error.errno and error.filename is None:
                error.filename = str(path)  # write and fsync do not know the name
            raise
        intact = "; the older file is intact" if os.path.lexists(path) else ""
        raise OutOfSpace(*_lacking(error, path, intact)) from error


def _lacking(error: OSError | RuntimeError, path: Path, intact: str) -> tuple[int, str, str]:
    """Which of the three it is that is used up: bytes, inodes, or the user's share."""
    free = f"free there: {shutil.disk_usage(path.parent).free:,} bytes"
    if getattr(error, "errno", None) == errno.EDQUOT:
        return errno.EDQUOT, f"the quota is used up ({free}, but not for this user){intact}", str(path)
    if out_of_names(path):
        return errno.ENOSPC, f"no inode left for another file ({free}){intact}", str(path)
    return errno.ENOSPC, f"no space left to write ({free}){intact}", str(path)


def _is_full_disk(error: OSError | RuntimeError, path: Path) -> bool:
    if isinstance(error, OSError):
        return error.errno in FULL
    # torch.save on a full disk: "[enforce fail at inline_container.cc] . unexpected pos 64 vs 0"
    cause = error.__context__
    full = isinstance(cause, OSError) and cause.errno in FULL
    return full or ("unexpected pos" in str(error) and "inline_container" in str(error))


def publish_bytes(path: Path, data: bytes) -> FileFacts:
    """Publishes ``data`` as ``path``."""
    with atomic_publish(path) as temporary:
        temporary.write_bytes(data)
    return _facts(Path(path), hashlib.sha256(data).hexdigest())


def publish_json(path: Path, value: Any, indent: int | None = 1) -> FileFacts:
    """Publishes plain ``value`` as UTF-8 JSON; keys stay in their order; NaN and infinity are refused."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return publish_bytes(path, (text + "\n").encode())


def publish_tree(
    staging: Path,
    final: Path,
    between: Callable[[], None] = lambda: None,
    rescue: Callable[[Path], None] = lambda aside: None,
) -> None:
    """Renames the finished folder ``staging`` to ``final`` after everything below it is on the disk.

    ``between`` is called before each file that is brought to the disk, which takes minutes for 100,000; it may raise to
    give up. ``rescue`` as in ``swap_tree``.

    Raises NotReplaced where ``final`` is a link or a file; OutOfSpace.
    """
    final = Path(final)
    require_folder_place(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    with space_errors(final):
        fsync_tree(staging, between)
    swap_tree(Path(staging), final, rescue)


def swap_tree(staging: Path, final: Path, rescue: Callable[[Path], None] = lambda aside: None) -> None:
    """Renames the folder ``staging``, which is on the disk, to ``final``.

    An older ``final`` changes places with the new one in one step where the system can do that (Linux), so that the
    name always has the old or the new one. Elsewhere it is moved aside first: a kill may leave neither under
    the name, but both on the disk (``recover_tree`` puts the old one back). ``rescue`` is given the older folder before
    that is removed: its owner may have put something there meanwhile.

    Raises NotReplaced where ``final`` is a link or a file; OutOfSpace.
    """
    require_folder_place(final)
    with space_errors(final):
        aside = older_of(final)
        remove_entry(aside)
        if not os.path.lexists(final):
            os.replace(staging, final)
        elif not _took_its_place(staging, aside, final):
            os.replace(final, aside)
            os.replace(staging, final)
        fsync_folder(final.parent)
        _discard(aside, rescue)


def _took_its_place(staging: Path, aside: Path, final: Path) -> bool:
    """Whether ``staging`` is ``final`` now and the older ``final`` is ``aside``; if not, nothing has changed."""
    os.replace(staging, aside)  # if a kill comes now, recover_tree removes it and the older one stays
    try:
        exchanged = exchange(aside, final)
    except OSError:
        os.replace(aside, staging)
        raise
    if not exchanged:
        os.replace(aside, staging)
    return exchanged


def exchange(one: Path, other: Path) -> bool:
    """Lets two names change places in one step. False where the system or the file system cannot do that."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # not Linux, or a C library from before 2018
        return False
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if renameat2(here, os.fsencode(one), here, os.fsencode(other), ctypes.c_uint(swap)) == 0:
        return True
    problem = ctypes.get_errno()
    if problem in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(problem, os.strerror(problem), str(one), None, str(other))


def recover_tree(final: Path, rescue: Callable[[Path], None] = lambda aside: None) -> None:
    """After a kill inside ``publish_tree``: puts the older folder back, or removes it when the new one is there.

    ``rescue`` is given what is about to be removed: the older folder, or the new one that never got the name.
    """
    aside = older_of(Path(final))
    if not os.path.lexists(aside):
        return
    if os.path.lexists(final):
        _discard(aside, rescue)
    else:
        os.replace(aside, final)
        fsync_folder(Path(final).parent)


def _discard(aside: Path, rescue: Callable[[Path], None]) -> None:
    if aside.is_dir() and not aside.is_symlink():
        rescue(aside)
    remove_entry(aside)


def remove_entry(path: Path) -> None:
    """A folder with all in it, or a link or file alone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def older_of(final: Path) -> Path:
    """Where ``publish_tree`` keeps the older folder while the new one takes its name."""
    return final.with_name(f"{TEMPORARY}old-{final.name}")


def sha256_of(path: Path, tick: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file, hex, read in pieces; ``tick`` is called with the size of each, and may raise."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(CHUNK))
    with Path(path).open("rb", buffering=0) as stream:
        while size := stream.readinto(buffer):
            digest.update(buffer[:size])
            if tick is not None:
                tick(size)
    return digest.hexdigest()


def facts_of(path: Path, tick: Callable[[int], None] | None = None) -> FileFacts:
    """Size, time, inode and digest of a file; those of before it was read, so that a change meanwhile shows."""
    before = Path(path).stat()
    return FileFacts(before.st_size, before.st_mtime_ns, before.st_ino, sha256_of(path, tick))


def _facts(path: Path, sha256: str) -> FileFacts:
    found = path.stat()
    return FileFacts(found.st_size, found.st_mtime_ns, found.st_ino, sha256)


def fsync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_folder(path: Path) -> None:
    """Makes a rename in ``path`` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(folder: Path, between: Callable[[], None] = lambda: None) -> None:
    """Every file and folder below ``folder``, and itself, onto the disk; ``between`` is called before each file.

    Links and pipes have nothing to be brought there, and opening a pipe would never end. Several at a time, since a disk
    can serve them together; ``between`` is called from those threads. A million files take no room of their own here:
    each thread is handed a batch of paths, not a task for each file.
    """
    folders: list[str] = []

    def bring(batch: list[str]) -> None:
        for path in batch:
            between()
            fsync_file(Path(path))

    from concurrent.futures import ThreadPoolExecutor  # logging with it: few commands need it

    with ThreadPoolExecutor(SYNC_THREADS) as pool:
        try:
            for _ in pool.map(bring, _batches(_files_below(folder, folders))):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for path in folders:
        fsync_folder(Path(path))


def _files_below(folder: Path, folders: list[str]) -> Iterator[str]:
    """The regular files below ``folder``; the folders that hold them are added to ``folders``, itself first."""
    for parent, _, names in os.walk(folder):
        folders.append(parent)
        for name in names:
            path = os.path.join(parent, name)  # noqa: PTH118  a Path for each of a million would fill the memory
            if stat.S_ISREG(os.lstat(path).st_mode):
                yield path


def _batches(paths: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(itertools.islice(paths, SYNC_BATCH)):
        yield batch


def is_temporary(name: str) -> bool:
    """Whether ``name`` is one that ``atomic_publish`` gives; those of other programs are none of our business."""
    return re.match(rf"{re.escape(TEMPORARY)}[0-9a-f]{{12}}-.", name) is not None


def remove_stale_temporaries(folder: Path) -> list[Path]:
    """Removes the temporary files that a kill left in ``folder`` (not below it); returns what was removed.

    Only for a folder in which nobody else is writing: hold its lock.
    """
    if not Path(folder).is_dir():
        return []
    stale = sorted(path for path in Path(folder).iterdir() if is_temporary(path.name) and path.is_file())
    for path in stale:
        path.unlink()
    return stale
