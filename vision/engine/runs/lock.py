"""One trainer a run folder. The lock is the kernel's and of one process: it dies with it, and no worker inherits it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vision.artefacts.holder import holder_of, take_lock
from vision.messages.advice import UserError

LOCK = ".lock"


class RunInUse(UserError):
    """Another process trains in the run folder."""


@contextmanager
def run_lock(run: Path) -> Iterator[None]:
    """Holds ``run/.lock``; makes the folder where it is missing. Raises RunInUse, naming the holder.

    A session that ends before it has written anything leaves neither the lock nor the folders that it made.
    """
    path = run / LOCK
    missing = [folder for folder in (run, *run.parents) if not os.path.lexists(folder)]
    descriptor = take_lock(path, kind=fcntl.lockf)
    if descriptor is None:
        raise RunInUse(
            f"{run}: {holder_of(path)} trains there.\n"
            "  Wait for it, stop it (it saves and leaves), or choose another --checkpoint-folder."
        )
    try:
        yield
    finally:
        with suppress(OSError):  # a folder with something in it stays
            if os.listdir(run) == [LOCK]:
                path.unlink()  # while it is held: take_lock sees that it is gone
                for folder in missing:
                    folder.rmdir()
        os.close(descriptor)
