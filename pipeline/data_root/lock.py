"""One pipeline a root at a time. The lock is the kernel's (flock), so it dies with its holder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.stage import StageError
from pipeline.stop import Stop
from vision.artefacts.data_layout import LOCK
from vision.artefacts.holder import holder_of, note_holder

POLL_S = 0.2


@contextmanager
def root_lock(root: Path, wait: bool, say: Callable[[str], None], stop: Stop) -> Iterator[None]:
    """Holds ``root/.pipeline/lock``; where another process has it, waits for it, or fails naming that process.

    Raises:
        StageError: held by somebody else, and ``wait`` is false.
        Interrupted: asked to stop while waiting.
    """
    path = root / LOCK
    said = False
    while (descriptor := _try(path)) is None:
        holder = holder_of(path)
        if not wait:
            raise StageError(
                f"{root} is in use", f"{holder} works there", "wait for it, or leave out --no-wait"
            )
        if not said:
            say(f"waiting: {holder} works on {root}")
            said = True
        stop.check()
        time.sleep(POLL_S)
    try:
        note_holder(descriptor)
        yield
    finally:
        os.close(descriptor)


def _try(path: Path) -> int | None:
    """The descriptor that holds the lock, or None while another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):  # noqa: PTH116
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass  # held by another; or removed with the rest of the root by the one that held it
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
