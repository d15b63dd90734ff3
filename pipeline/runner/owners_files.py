"""What the owner of a data root has put beside the files of a stage: whatever the stage's own record does not have.

A stage's file is known by name, size and CRC-32 (``trees.Brought``). Anything else stays, wherever its folder goes.
What has a stage's name and not its content is kept beside the folder, ``{folder}.replaced-<n>/{name}``, where no stage
takes it for an image of the folder; unless all that it holds is the stage's own bytes, cut off or with zeros in them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path

from pipeline.data_root import manifests as trees
from pipeline.stop import NEVER
from vision.artefacts.files import fsync_folder, recover_tree
from vision.messages.advice import shown

ASIDE = ".replaced-"
"""Between the name of an output and a number: what stood there, was not as its receipt has it, and was made again."""
SECTOR = 512
"""Bytes that a disk loses together."""
Say = Callable[[str], None]


def free_name(root: Path, path: str) -> str:
    """``path.replaced-<n>`` with the first number that is free below ``root``."""
    number = 1
    while os.path.lexists(root / f"{path}{ASIDE}{number}"):
        number += 1
    return f"{path}{ASIDE}{number}"


def is_ours(path: Path, name: str, own: trees.Brought, tick: Callable[[int], None] = NEVER.check) -> bool:
    """Whether the file ``path`` is what a stage has put there as ``name``; it is read only where the size agrees."""
    contents = own.get(name, frozenset())
    if path.is_symlink() or not path.is_file():
        return False
    size = path.stat().st_size
    return any(size == each for each, _ in contents) and (size, trees.crc32_of(path, tick)) in contents


def in_the_way(folder: Path, wanted: Collection[str], own: trees.Brought) -> list[str]:
    """Files in ``folder`` under names of ``wanted`` that are not a stage's: not on record, or no regular file."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.name in wanted and not (entry.name in own and entry.is_file(follow_symlinks=False))
        )


def recover_folder(root: Path, folder: str, say: Say = lambda line: None) -> None:
    """Repairs what a kill while ``folder`` was replaced has left; what its owner has put there meanwhile is not lost."""
    recover_tree(root / folder, lambda older: rescue_from(older, root, folder, say))


def rescue_from(older: Path, root: Path, folder: str, say: Say) -> None:
    """What its owner has in ``older``, which is to be removed, goes into ``root/folder`` or is kept beside it."""
    own = trees.read_own(trees.manifest_path(root, folder))
    if own is None:
        return
    for name in bring_back(older, root / folder, own):
        say(f"{folder}: {shown(name)!r}, which appeared meanwhile, stays")
    names = edited(older, root / folder, own)
    if names:
        aside = root / free_name(root, folder)
        aside.mkdir()
        bytes_ = sum((older / name).stat().st_size for name in names)
        for name in names:
            os.replace(older / name, aside / name)
        fsync_folder(aside)
        fsync_folder(root)
        say(
            f"{folder}: not as extract left them and made again: {len(names):,}, such as {shown(names[0])!r}; "
            f"the old content is kept: {shown(aside)} ({bytes_:,} bytes)"
        )


def bring_back(older: Path, folder: Path, own: trees.Brought) -> list[str]:
    """Moves what ``folder`` lacks of its owner's from ``older``, which is to be removed; returns the names."""
    names = lacking(older, folder, own)
    for name in names:
        os.replace(older / name, folder / name)
    for parent in {(folder / name).parent for name in names}:
        fsync_folder(parent)
    return names


def lacking(older: Path, folder: Path, own: trees.Brought) -> list[str]:
    """What the owner alone has in ``older``: it came, or was saved anew, after the others had been taken along.

    Names that are on record stay where they are when ``folder`` has them.
    """
    found = []
    for entry in sorted(older.iterdir()):
        place = folder / entry.name
        if not os.path.lexists(place):
            found += [] if is_ours(entry, entry.name, own) else [entry.name]
        elif _is_folder(entry) and _is_folder(place):
            found += [f"{entry.name}/{name}" for name in lacking(entry, place, {})]
        elif entry.name not in own and _is_newer(entry, place):
            found.append(entry.name)
    return found


def edited(older: Path, folder: Path, own: trees.Brought) -> list[str]:
    """Names of a stage (``own``) whose files in ``older`` are not as it left them, and hold something of their own.

    ``folder`` has them as they should be. Those that are one file in both are not read.
    """
    with os.scandir(older) as entries:
        names = sorted(
            entry.name for entry in entries if entry.name in own and entry.is_file(follow_symlinks=False)
        )

    def holds_more(name: str) -> bool:
        one, other = older / name, folder / name
        return not (_is_same(one, other) or is_ours(one, name, own) or is_remains(one, other))

    return [name for name in names if holds_more(name)]


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(one.lstat(), other.lstat())
    except FileNotFoundError:
        return False


def is_remains(path: Path, whole: Path) -> bool:
    """Whether ``path`` is no more than a part of ``whole``: each sector is the same, or zeros; it may end early."""
    if not whole.is_file() or path.stat().st_size > whole.stat().st_size:
        return False
    with path.open("rb") as one, whole.open("rb") as other:
        while here := one.read(trees.CHUNK):
            there = other.read(len(here))
            for start in range(0, len(here) if here != there else 0, SECTOR):
                sector = here[start : start + SECTOR]
                if sector != there[start : start + SECTOR] and sector.strip(b"\0"):
                    return False
    return True


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_newer(entry: Path, place: Path) -> bool:
    """Whether ``entry`` was saved after it was taken along as ``place``: a second name or a copy of it till then."""
    one, other = entry.lstat(), place.lstat()
    same = (one.st_ino, one.st_dev) == (other.st_ino, other.st_dev)
    return not same and not _is_folder(place) and one.st_mtime_ns > other.st_mtime_ns
