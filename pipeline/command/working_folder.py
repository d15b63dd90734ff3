"""A hidden folder beside a file that is being made: for a journal, and so that only one process makes it."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.stage import StageError
from vision.artefacts.files import TEMPORARY
from vision.artefacts.holder import take_lock
from vision.messages.system_errors import instead_of


@contextmanager
def working_folder(outputs: Sequence[Path], doing: str) -> Iterator[Path]:
    """``.<name of the first output>.<doing>``; stays after a kill or an error unless it is empty, is removed at the end.

    Locked while it is in use (the lock dies with its holder). What a killed run left of ``outputs``, which are all
    in one folder, is removed. Raises StageError where there is no such folder, the output has no name (``.``), or another
    process holds the lock.
    """
    output = outputs[0]
    if output.name in ("", ".."):
        raise StageError(
            f"{output} has no name of its own",
            "an output gets its name only when it is complete",
            "name it: FOLDER/NAME",
        )
    if not output.parent.is_dir():
        raise StageError(
            instead_of("folder", output.parent),
            f"{output.name} should be written there",
            "make it, or name another place",
        )
    folder = output.with_name(f".{output.name}.{doing}")
    folder.mkdir(exist_ok=True)
    descriptor = take_lock(folder, os.O_RDONLY | os.O_DIRECTORY)
    if descriptor is None:
        raise StageError(
            f"another process is making {output}",
            f"it holds {folder}",
            "wait for it, or name another output",
        )
    try:
        for path in outputs:
            for stale in path.parent.glob(f"{TEMPORARY}{'[0-9a-f]' * 12}-{glob.escape(path.name)}"):
                if not stale.is_dir():  # an older folder that was moved aside is for recover_tree
                    stale.unlink()
        try:
            yield folder
        except BaseException:
            with suppress(OSError):
                folder.rmdir()  # nothing in it to go on from
            raise
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)
