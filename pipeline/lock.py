"""One pipeline a root at a time. The lock is the kernel's (flock), so it dies with its holder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.stage import Interrupted, StageError

LOCK = ".pipeline/lock"
POLL_S = 0.2


@contextmanager
def root_lock(
    root: Path, wait: bool, say: Callable[[str], None], should_stop: Callable[[], bool]
) -> Iterator[None]:
    """Holds ``root/.pipeline/lock``; where another process has it, waits for it, or fails naming that process.

    Raises:
        StageError: held by somebody else, and ``wait`` is false.
        Interrupted: asked to stop while waiting.
    """
    path = root / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(descriptor, path, wait, say, should_stop)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _take(
    descriptor: int, path: Path, wait: bool, say: Callable[[str], None], should_stop: Callable[[], bool]
) -> None:
    said = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = _holder(path)
        if not wait:
            raise StageError(
                f"{path.parent.parent} is in use",
                f"{holder} works there",
                "wait for it, or leave out --no-wait",
            )
        if not said:
            say(f"waiting: {holder} works on {path.parent.parent}")
            said = True
        if should_stop():
            raise Interrupted("while waiting for the lock")
        time.sleep(POLL_S)


def _holder(path: Path) -> str:
    try:
        noted = json.loads(path.read_text())
        return f"process {noted['pid']} on {noted['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
