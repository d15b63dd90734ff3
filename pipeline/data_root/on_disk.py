"""``--have DIR``: a folder of the user's with files of the release, which is only read: what is where in it."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from pipeline.release import ReleaseFile, archive_path
from pipeline.stage import StageError
from vision.artefacts.data_layout import ARCHIVES
from vision.messages.advice import shown
from vision.messages.system_errors import instead_of


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


def require_usable(root: Path, have: Path, files: Iterable[ReleaseFile]) -> None:
    """Raises StageError for no folder that can be read, and where the root, or what is fetched into it, is in the folder or around it."""
    if not (have.is_dir() and os.access(have, os.R_OK | os.X_OK)):
        wrong = f"{shown(have)} cannot be read" if have.is_dir() else instead_of("folder", have)
        raise StageError(
            wrong, "--have names what is looked through", "name the folder that holds the archives"
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
