"""One archive of the user's own into a folder of their own: no data root, the same guarantees."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.archives.archive import open_archive, plan
from pipeline.archives.fault import BadArchive
from pipeline.archives.members import Files
from pipeline.archives.unpack import named, unpack_all, verified_files
from pipeline.command.run_stage import reported, say
from pipeline.command.working_folder import working_folder
from pipeline.data_root import manifests as trees
from pipeline.runner.owners_files import bring_back
from pipeline.stage import StageError
from pipeline.stop import Stop
from vision.artefacts.files import publish_tree, recover_tree
from vision.artefacts.targets import require_folder_place
from vision.messages.terminal import counted


def extract_file(archive: Path, output: Path, workers: int) -> int:
    """Unpacks ``archive`` into the folder ``output``, all of it or nothing.

    A folder that already holds exactly the archive's files, by size and CRC-32, is kept, so the same command also
    proves them; any other folder that is not empty is left alone. Gives the exit code: 0; 1 when the archive is
    refused or something is in the way; 130 or 143 when interrupted, and then the same command resumes.
    """
    with Stop() as stop:

        def work() -> None:
            if not output.is_dir():
                require_folder_place(output)
            with working_folder([output], "unpacking") as working:
                say(_extract(archive, output, working, workers, stop))

        return reported(work, stop)


def _extract(archive: Path, output: Path, working: Path, workers: int, stop: Stop) -> str:
    recover_tree(output)
    with (
        named(archive, "get a sound copy"),
        _emptied_when_refused(working),
        open_archive(archive) as source,
    ):
        members = plan(source, stop)
        files = members.below()
        if _is_unpacked(output, files, stop):
            return f"{output}: {counted(len(files), 'file', 'is')} already there, size and CRC-32 agree"
        _require_free(output)
        staging = _staging(working, files)
        unpack_all(source, members, staging, workers, stop)

    if not _holds_just(staging, files):
        raise StageError(
            f"{output} cannot be made",
            "what was unpacked is not what the archive lists",
            "this is a fault of the program; please report it with the archive",
        )

    def rescue(older: Path) -> None:  # an empty folder, when this began
        bring_back(older, output, {})

    publish_tree(staging, output, stop.check, rescue)
    return f"{output}: {counted(len(files), 'file')}, {members.bytes:,} bytes"


@contextmanager
def _emptied_when_refused(working: Path) -> Iterator[None]:
    """What was unpacked of a refused archive goes: the same command will not resume it."""
    try:
        yield
    except BadArchive:
        for folder in working.iterdir():
            shutil.rmtree(folder)
        raise


def _is_unpacked(folder: Path, files: Files, stop: Stop) -> bool:
    """Whether ``folder`` holds just ``files``: by name and size, and only if that is so by reading them."""
    if not folder.is_dir():
        return False
    return _holds_just(folder, files) and len(verified_files(folder, files, {}, stop)) == len(files)


def _holds_just(folder: Path, files: Files) -> bool:
    """Whether the regular files below ``folder`` are ``files``, by name and size; a million are counted, not listed."""
    count = 0
    for name, _, stat in trees.walk(folder):
        if name not in files or files[name].bytes != stat.st_size:
            return False
        count += 1
    return count == len(files)


def _staging(working: Path, files: Files) -> Path:
    """The folder for these files alone; what a killed run has of another archive goes."""
    listing = hashlib.sha256()
    for name in sorted(files):
        listing.update(f"{name}\t{files[name].bytes}\t{files[name].crc32}\n".encode())
    folder = working / listing.hexdigest()[:16]
    for other in working.iterdir():
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(exist_ok=True)
    return folder


def _require_free(output: Path) -> None:
    require_folder_place(output)
    if output.is_dir() and any(output.iterdir()):
        raise StageError(
            f"{output} holds other files than the archive",
            "nothing in it is replaced or removed",
            "name another --output, or move the folder away",
        )
