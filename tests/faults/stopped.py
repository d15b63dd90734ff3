"""Code of this process whose changes of the disk stop at the N-th: killed, where nothing more happens, or out of space.

Quicker than ``shim.c`` by a process a point, and blind to what the C libraries do by themselves (SQLite's writes).
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from vision.artefacts import files

REMOVALS = ("os.remove", "os.rmdir")
CHANGES = (*REMOVALS, "os.rename", "os.mkdir", "os.link", "os.symlink", "os.truncate")
Change = Callable[[str], None]


class Killed(BaseException):
    """As SIGKILL: whatever would clean up changes nothing any more."""


def killed(change: str) -> None:
    raise Killed


def killed_for_good(change: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full(change: str) -> None:
    """Only removals succeed on a full disk."""
    if change not in REMOVALS:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


_reached: list[Change] = []
"""What the audit hook calls, where there is anything: a hook cannot be taken back."""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _reached:
        return
    opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if opened or event in CHANGES:
        _reached[-1](event)


@contextmanager
def stopped(at: int, problem: Change) -> Iterator[list[str]]:
    """From the ``at``-th change on each calls ``problem`` first (0: none does); gives the list of the changes."""
    seen: list[str] = []

    def reached(change: str) -> None:
        seen.append(change)
        if at and len(seen) >= at:
            problem(change)

    def reaching(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            reached(name)
            return real(*arguments)

        return call

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", reaching("fsync", os.fsync))
        patched.setattr(files, "exchange", reaching("exchange", files.exchange))
        _reached.append(reached)
        try:
            yield seen
        finally:
            _reached.pop()


sys.addaudithook(_hook)
