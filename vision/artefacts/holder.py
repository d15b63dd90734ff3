"""One lock for everything that one process at a time may do, and who holds it, for the message that others print.

The lock is the kernel's and dies with its holder; what stands in its file decides nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vision.artefacts.records import RecordError, from_plain, read_json
from vision.messages.addresses import HIDDEN, redacted_text, secrets_in

COMMAND = 300
"""How much of the holder's command is noted, in characters."""
MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Holder:
    """A process; ``command`` as typed, without what is secret in the addresses that it names."""

    pid: int
    host: str
    command: str


def take_lock(
    path: Path, flags: int = os.O_RDWR | os.O_CREAT, kind: Callable[[int, int], None] = fcntl.flock
) -> int | None:
    """A descriptor that holds the lock ``path`` until it is closed; None while another process has it.

    kind: ``flock``, which forked children inherit, or ``lockf``, which is of this process alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)  # the holder may have removed it with its lock
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    try:
        kind(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):  # noqa: PTH116
            note_holder(descriptor)
            return descriptor
    except (BlockingIOError, PermissionError, FileNotFoundError):
        pass  # held by another; or removed with its folder by the one that held it
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def note_holder(descriptor: int) -> None:
    """Writes this process into the lock file; a full disk, or a folder as lock, does not matter here."""
    noted = {"pid": os.getpid(), "host": socket.gethostname(), "command": _command()[:COMMAND]}
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(noted).encode(), 0)


def _command() -> str:
    words = list(sys.orig_argv)
    for secret in secrets_in(words):
        words = [word.replace(secret, HIDDEN) for word in words]
    return shlex.join(map(redacted_text, words))


def holder_of(path: Path) -> str:
    """A phrase for people; "another process" where the file does not tell."""
    try:
        noted = from_plain(Holder, read_json(path, MAX_BYTES), str(path))
    except (OSError, RecordError):
        return "another process"
    return f"process {noted.pid} on {noted.host!r} ({noted.command!r})"
