"""Who holds a lock, written into the lock file: for the message that others print, never for a decision."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
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


def note_holder(descriptor: int) -> None:
    """Writes this process into the lock file; a full disk does not matter here."""
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
