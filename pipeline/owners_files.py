"""What the owner of a data root has put beside the files of a stage: whatever the stage's own record does not have.

A stage's file is known by name, size and CRC-32 (``trees.Brought``). Anything else stays, wherever its folder goes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path

from pipeline import trees
from vision.artefacts.files import fsync_folder, recover_tree


def is_ours(
    path: Path, name: str, own: trees.Brought, tick: Callable[[int], None] = lambda read: None
) -> bool:
    """Whether the file ``path`` is what a stage has put there as ``name``; it is read only where the size agrees."""
    contents = own.get(name, frozenset())
    if path.is_symlink() or not path.is_file():
        return False
    size = path.stat().st_size
    return any(size == each for each, _ in contents) and (size, trees.crc32_of(path, tick)) in contents


def in_the_way(folder: Path, wanted: Collection[str], own: trees.Brought) -> list[str]:
    """What stands in ``folder`` under names of ``wanted`` and is not a stage's: not on record, or no regular file."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.name in wanted and not (entry.name in own and entry.is_file(follow_symlinks=False))
        )


def recover_folder(root: Path, folder: str) -> None:
    """Mends what a kill while ``folder`` was replaced has left; what its owner has put there meanwhile is not lost."""

    def rescue(older: Path) -> None:
        rescue_from(older, root, folder)

    recover_tree(root / folder, rescue)


def rescue_from(older: Path, root: Path, folder: str) -> list[str]:
    """``bring_back`` into ``root/folder``, where its manifest knows what a stage has put there."""
    own = trees.read_own(trees.manifest_path(root, folder))
    return [] if own is None else bring_back(older, root / folder, own)


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


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_newer(entry: Path, place: Path) -> bool:
    """Whether ``entry`` was saved after it was taken along as ``place``: a second name or a copy of it till then."""
    one, other = entry.lstat(), place.lstat()
    same = (one.st_ino, one.st_dev) == (other.st_ino, other.st_dev)
    return not same and not _is_folder(place) and one.st_mtime_ns > other.st_mtime_ns
