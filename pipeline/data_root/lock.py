"""One pipeline a root at a time. The lock is the kernel's (flock), so it dies with its holder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.stage import StageError
from pipeline.stop import Stop
from vision.artefacts.data_layout import LOCK
from vision.artefacts.holder import holder_of, take_lock

POLL_S = 0.2


@contextmanager
def root_lock(
    root: Path, wait: bool, say: Callable[[str], None], stop: Stop, name: str = LOCK
) -> Iterator[None]:
    """Holds ``root/.pipeline/lock`` (or the lock ``name``); where another process has it, waits for it, or fails naming that process.

    Raises:
        StageError: held by somebody else, and ``wait`` is false.
        Interrupted: asked to stop while waiting.
    """
    path = root / name
    said = False
    while (descriptor := take_lock(path)) is None:
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
        yield
    finally:
        os.close(descriptor)
