"""One trainer a run folder. The lock is the kernel's and of one process: it dies with it, and no worker inherits it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vision.artefacts.holder import holder_of, note_holder
from vision.messages.advice import UserError

LOCK = ".lock"


class RunInUse(UserError):
    """Another process trains in the run folder."""


@contextmanager
def run_lock(run: Path) -> Iterator[None]:
    """Holds ``run/.lock``; makes the folder where it is missing. Raises RunInUse, naming the holder."""
    run.mkdir(parents=True, exist_ok=True)
    path = run / LOCK
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise RunInUse(
                f"{run}: {holder_of(path)} trains there.\n"
                "  Wait for it, stop it (it saves and leaves), or choose another --checkpoint-folder."
            ) from None
        note_holder(descriptor)
        yield
    finally:
        os.close(descriptor)
