"""``--have DIR``: a folder of the user's with files of the release, which is only read: what is where in it."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pipeline.release import ReleaseFile, archive_path
from pipeline.space import require_space
from pipeline.stage import StageError
from vision.artefacts.data_layout import ARCHIVES, SPLITS, image_folder
from vision.messages.advice import shown
from vision.messages.system_errors import instead_of

FICLONE = 0x40049409
"""ioctl(2): the blocks of a file for another one, on disks that share them (Btrfs, XFS)."""
CHUNK = 1 << 20


def places(have: Path, file: ReleaseFile) -> list[Path]:
    """What has the name of ``file`` in the folder, or up to two folders deeper, or is where the server has it.

    Links are followed so far and no further, so that a loop of them has an end; each file is there once.
    """
    name = Path(file.path).name
    escaped = glob.escape(name)
    found = [have / file.path, have / name]
    for pattern in (f"*/{escaped}", f"*/*/{escaped}"):
        found += sorted(have.glob(pattern))
    by_file: dict[str, Path] = {}
    for path in filter(os.path.lexists, found):
        by_file.setdefault(os.path.realpath(path), path)
    return list(by_file.values())


def has(have: Path, file: ReleaseFile) -> bool:
    """Whether a file of its name and size is there; its digest is another question."""
    return any(path.is_file() and path.stat().st_size == file.bytes for path in places(have, file))


def own_archives(have: Path, files: Sequence[ReleaseFile]) -> str | None:
    """A hint for a folder whose archives have the names of the release's and none has the size: its owner made them."""
    if any(has(have, file) for file in files) or not any(places(have, file) for file in files):
        return None
    return "no archive there is of this release; for archives of your own: --release FILE, with their sizes and digests (docs/artefacts.md)"


def require_usable(root: Path, have: Path, files: Sequence[ReleaseFile]) -> None:
    """Raises StageError for no folder that can be read and where the root, or what is fetched into it, is in the folder or around it."""
    if not (have.is_dir() and os.access(have, os.R_OK | os.X_OK)):
        wrong = f"{shown(have)} cannot be read" if have.is_dir() else instead_of("folder", have)
        raise StageError(
            wrong, "--have takes the folder to search", "name the folder that holds the archives"
        )
    given = Path(os.path.realpath(have))
    made = [root, root / ARCHIVES, *((root / archive_path(file)).parent for file in files)]
    inside = [path for path in made if Path(os.path.realpath(path)).is_relative_to(given)]
    if inside or given.is_relative_to(os.path.realpath(root)):
        one, other = (inside[0], have) if inside else (have, root)
        same = given == Path(os.path.realpath(root))
        raise StageError(
            f"--have {shown(have)} and --root {shown(root)} are one folder" if same
            else f"{shown(one)} is inside {shown(other)}",
            "what is in the folder of --have is only read, and the stages write into that of --root",
            "leave --have out: what is in the root is used" if same else "name a --root beside it",
        )  # fmt: skip
    _require_something(have, files)


def _require_something(have: Path, files: Sequence[ReleaseFile]) -> None:
    """Where nothing has the name of an archive or of an unpacked split, 20 GB would be fetched instead."""
    if any(places(have, file) for file in files) or any(unpacked(have, split) for split in SPLITS):
        return
    names = ", ".join(Path(file.path).name for file in files)
    raise StageError(
        f"--have {shown(have)}: nothing of the release is in it",
        f"looked for {names}, there and up to two folders deeper, and for {image_folder('train')}/ beside annotations/",
        "name the folder that holds them, or leave out --have to fetch what is missing",
    )


def unpacked(have: Path, split: str) -> tuple[Path, Path] | None:
    """The folder of images of ``split`` and its annotation file, where both are there."""
    from vision.artefacts.data_layout import original_path  # the JSON reader: --help does not wait for it

    name = image_folder(split)
    folder = next((each for each in (have / name, have / "images" / name) if each.is_dir()), None)
    annotations = have / original_path(split)
    return (folder, annotations) if folder and annotations.is_file() else None


def all_unpacked(have: Path, splits: Iterable[str], files: Iterable[ReleaseFile]) -> bool:
    """Whether images and annotations of all ``splits`` are there, and no archive of images, which a digest would prove."""
    return not any(has(have, file) for file in files if file.split()) and all(
        unpacked(have, split) for split in splits
    )


def placed(root: Path, source: Path, target: Path, tick: Callable[[int], None]) -> tuple[str, str]:
    """Makes ``target``, below ``root``, of ``source``; returns how, and the SHA-256 of what was copied byte by byte, else ""."""
    with suppress(OSError):  # another disk, one without second names, or a file of another user
        os.link(source, target)
    if target.exists():
        return "a second name", ""
    with source.open("rb") as given, target.open("xb") as made:
        if _cloned(given, made):
            return "a copy that shares its blocks", ""
        require_space(root, os.fstat(given.fileno()).st_size, "for a copy", "choose another --root")
        digest = hashlib.sha256()
        while piece := given.read(CHUNK):
            made.write(piece)
            digest.update(piece)
            tick(len(piece))
    return "a copy", digest.hexdigest()


def _cloned(given: BinaryIO, made: BinaryIO) -> bool:
    try:
        fcntl.ioctl(made.fileno(), FICLONE, given.fileno())
    except OSError:
        return False
    return True
