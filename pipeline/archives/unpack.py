"""One archive into a folder with several threads; what a killed run left there is taken over by size and CRC-32."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.archives.archive import Archive
from pipeline.archives.fault import DAMAGED, BadArchive
from pipeline.archives.members import Member
from pipeline.archives.unpack_member import unpack
from pipeline.bar import bar
from pipeline.data_root import manifests as trees
from pipeline.space import on_disk, require_space
from pipeline.stage import StageError
from pipeline.stop import NEVER, Stop
from vision.messages.advice import shown
from vision.messages.terminal import counted

BATCH = 64
NOTHING_KNOWN: Mapping[str, trees.Member] = {}


@contextmanager
def named(path: Path, get_it: str, expected: int | None = None) -> Iterator[None]:
    """What is found wrong with the archive ``path`` in the body becomes a StageError that names it.

    ``get_it``: how another copy is had; ``expected``: bytes that it has to have, None where nobody knows.
    """
    try:
        yield
    except FileNotFoundError as error:
        if error.filename != str(path):
            raise
        raise StageError(f"{shown(path)} is missing", "there is no such file", get_it) from error
    except BadArchive as error:
        raise StageError(
            f"{shown(path)} is refused", _why(error, path, expected), error.fix(get_it)
        ) from error


def _why(error: BadArchive, path: Path, expected: int | None) -> str:
    """The reason; of damage with the bytes that were expected, where somebody knows."""
    have = path.stat().st_size
    if error.remedy != DAMAGED or expected in (None, have):
        return str(error)
    return f"{error} ({have:,} bytes are here, {expected:,} expected)"


def unpack_all(
    archive: Archive,
    members: Sequence[Member],
    folder: Path,
    workers: int,
    stop: Stop,
    known: Mapping[str, trees.Member] = NOTHING_KNOWN,
) -> trees.Manifest:
    """Unpacks what is not yet in ``folder`` with the right size and CRC-32; returns each file as it was then.

    ``known`` (by name of the member) spares reading files that have not changed since their CRC-32 was taken.

    Raises:
        BadArchive: a member is not what the directory says; StageError: the disk has no room for them; Interrupted:
        asked to stop.
    """
    _require_space(members, folder)

    made: trees.Manifest = {}

    def work(start: int) -> trees.Manifest:
        batch = {}
        for member in members[start : start + BATCH]:
            stop.check()
            there = _there(folder / member.name, member, known.get(member.name), stop)
            batch[member.name] = there or _as_it_is(unpack(archive, member, folder, stop), member)
        return batch

    from concurrent.futures import ThreadPoolExecutor  # logging with it: few commands need it

    label = shown(archive.path.name)
    with (
        bar(f"extract {label}", len(members), "file") as shown_so_far,
        ThreadPoolExecutor(max(1, workers)) as pool,
    ):
        try:
            for batch in pool.map(work, range(0, len(members), BATCH)):
                shown_so_far.update(len(batch))
                made |= batch
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return made


def _require_space(members: Sequence[Member], folder: Path) -> None:
    here = (path.stat().st_size for member in members if (path := folder / member.name).is_file())
    needed = on_disk(member.bytes for member in members) - on_disk(here)
    require_space(folder, needed, f"for {counted(len(members), 'file')}", "unpack on another disk")


def verified_files(
    folder: Path,
    files: Mapping[str, Member],
    known: trees.Manifest,
    stop: Stop = NEVER,
) -> trees.Manifest:
    """Those of ``files`` (by path in it) that ``folder`` has with their size and CRC-32; others are not looked at.

    ``known`` spares reading files that have not changed since they were recorded. Raises Interrupted.
    """
    found: trees.Manifest = {}
    for name, path, stat in trees.walk(folder) if folder.is_dir() else ():
        stop.check()
        member = files.get(name)
        if member is None or stat.st_size != member.bytes:
            continue
        now = _as_it_is(stat, member)
        if known.get(name) == now or trees.crc32_of(path, stop.check) == member.crc32:
            found[name] = now
    return {name: found[name] for name in sorted(found)}


def link_foreign_files(
    old: Path,
    new: Path,
    members: Collection[str],
    leave: Collection[str] = (),
    stop: Stop = NEVER,
) -> list[str]:
    """Hard-links every entry of ``old`` that is not of ``members`` into ``new``; returns their names.

    Files whose names are in ``leave`` are not taken, either. Files get a second name, so that a kill loses nothing.
    Raises StageError for a folder in the place of a member, Interrupted.
    """
    if old.is_symlink() or not old.is_dir():
        return []
    taken = []
    for entry in sorted(old.iterdir()):
        folder = entry.is_dir() and not entry.is_symlink()
        if entry.name in members and folder:
            raise StageError(
                f"{entry} is a folder", "an image of the archive has this name", "move the folder elsewhere"
            )
        if entry.name not in members and entry.name not in leave:
            _second_name(entry, new / entry.name, folder, stop)
            taken.append(entry.name)
    return taken


def _second_name(path: Path, target: Path, folder: bool, stop: Stop) -> None:
    def link(old: str, new: str) -> None:
        _link_or_copy(Path(old), Path(new), stop)

    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    if folder:
        shutil.copytree(path, target, symlinks=True, copy_function=link)
    else:
        _link_or_copy(path, target, stop)


def _link_or_copy(path: Path, target: Path, stop: Stop) -> None:
    stop.check()
    try:
        os.link(path, target, follow_symlinks=False)
    except OSError:  # a file system without second names
        if path.is_symlink() or not path.is_file():
            shutil.copy2(path, target, follow_symlinks=False)
        else:
            _copy(path, target, stop)


def _copy(path: Path, target: Path, stop: Stop) -> None:
    """As ``shutil.copy2``, that asks whether to stop."""
    with path.open("rb") as source, target.open("wb") as sink:
        while chunk := source.read(trees.CHUNK):
            stop.check()
            sink.write(chunk)
    shutil.copystat(path, target)


def _there(path: Path, member: Member, known: trees.Member | None, stop: Stop) -> trees.Member | None:
    """The file of ``member`` that is there already; None where there is none, or another one."""
    if not path.is_file() or (found := path.stat()).st_size != member.bytes:
        return None
    now = _as_it_is(found, member)
    return now if known == now or trees.crc32_of(path, stop.check) == member.crc32 else None


def _as_it_is(found: os.stat_result, member: Member) -> trees.Member:
    return trees.Member(found.st_size, member.crc32, found.st_mtime_ns, found.st_ino)
