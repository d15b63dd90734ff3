"""What stands in the root already and is, byte for byte, what extract would put there: it is taken over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from pipeline import trees
from pipeline.archive import BadArchive, Member, open_archive, plan
from pipeline.release import archive_path, release_of
from pipeline.stage import Interrupted, Settings


def is_from_archives(settings: Settings, path: str, should_stop: Callable[[], bool]) -> bool:
    """Whether nothing of ``path`` (a folder, or a file, below the root) would be replaced by extract.

    A folder may hold more, but what has the name of a member has to be it, by size and CRC-32. False also where the
    archives are not all there, since then nobody can tell. Raises Interrupted.
    """
    archives = [settings.root / archive_path(file) for file in release_of(settings).needed(settings.splits)]
    if not all(archive.is_file() for archive in archives):
        return False
    try:
        members = [member for archive in archives for member in _members(archive, path, should_stop)]
    except (BadArchive, OSError):
        return False

    def tick(_read: int) -> None:
        if should_stop():
            raise Interrupted(f"while reading {settings.root / path}")

    return all(_is(settings.root / member.name, member, tick) for member in members)


def _members(archive: Path, path: str, should_stop: Callable[[], bool]) -> list[Member]:
    """The members at or below ``path``."""
    with ExitStack() as stack:
        opened = stack.enter_context(open_archive(archive, should_stop))
        found = plan(opened, should_stop)
    return [member for member in found if PurePosixPath(member.name).is_relative_to(path)]


def _is(file: Path, member: Member, tick: Callable[[int], None]) -> bool:
    tick(0)
    try:
        if not file.is_symlink() and not file.exists():
            return True
        if not file.is_file() or file.stat().st_size != member.bytes:
            return False
        return trees.crc32_of(file, tick) == member.crc32
    except OSError:
        return False
