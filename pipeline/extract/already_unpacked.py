"""What is in the root already and is, byte for byte, what extract would put there: it is taken over."""

from __future__ import annotations

from pathlib import Path

from pipeline.archives.archive import open_archive, plan
from pipeline.archives.fault import BadArchive
from pipeline.archives.members import Member
from pipeline.data_root import manifests as trees
from pipeline.release import archive_path
from pipeline.stage import Settings
from pipeline.stop import Stop
from vision.artefacts.data_layout import image_folder, original_path


def is_from_archives(settings: Settings, path: str, stop: Stop) -> bool:
    """Whether ``path``, an output of extract that nobody claims, may be taken for what extract would put there.

    Of an annotation file size and CRC-32 decide, by the archives. In a folder of images extract itself replaces nothing
    that is not its own, when its archive is here; without it, and gigabytes to fetch, the annotations beside it decide.
    False where nobody can tell. Raises Interrupted.
    """
    needed = settings.choices.files()
    if not path.endswith(".json"):
        (archived,) = (file for file in needed if image_folder(str(file.split())) == path)
        if (settings.root / archive_path(archived)).is_file():
            return True
        folder, path = path, original_path(str(archived.split()))
        if not (settings.root / path).is_file():  # after a clean: the record says what is whose
            return trees.read_own(trees.manifest_path(settings.root, folder)) is not None
    return _is_published(settings, path, stop)


def _is_published(settings: Settings, path: str, stop: Stop) -> bool:
    """Whether the file ``path`` is the one of the release, as far as its archives of annotations are here."""

    needed = settings.choices.files()
    archives = [settings.root / archive_path(file) for file in needed if file.split() is None]
    try:
        members = [member for archive in archives for member in _members(archive, path, stop)]
    except (BadArchive, OSError):
        return False
    return bool(members) and all(_is(settings.root / path, member, stop) for member in members)


def _members(archive: Path, path: str, stop: Stop) -> list[Member]:
    """The member that is called ``path``, if any."""
    with open_archive(archive) as opened:
        return [member for member in plan(opened, stop) if member.name == path]


def _is(file: Path, member: Member, stop: Stop) -> bool:
    return (
        file.is_file()
        and file.stat().st_size == member.bytes
        and trees.crc32_of(file, stop.check) == member.crc32
    )
