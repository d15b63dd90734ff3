"""Whether a folder takes what is going to be written there, asked before a long work and not found out at its end."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

from vision.artefacts.files import TEMPORARY, OutOfSpace, space_errors
from vision.messages.advice import shown

BLOCK = 4096
"""A file takes whole blocks, and the probe takes one."""


def require_writable(folder: Path, needed: int, what: str = "for the results") -> None:
    """A file can be made in ``folder`` and its file system has ``needed`` bytes free.

    Makes the folder, and a file in it that is removed again: mode, mount, quota and inodes answer for themselves.
    ``what`` says in the error what the bytes are for. Raises OutOfSpace (three lines) and other OSErrors that name
    the folder or the probe; nothing is left behind but the folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f"{TEMPORARY}{uuid.uuid4().hex[:12]}-probe"
    try:
        with space_errors(probe):
            probe.write_bytes(bytes(BLOCK))
    finally:
        probe.unlink(missing_ok=True)
    free = free_bytes(folder)
    if free < needed:
        raise OutOfSpace(
            errno.ENOSPC,
            f"not enough space in {shown(folder)}\n"
            f"  why: {needed:,} bytes are needed {what}, {free:,} are free\n"
            "  fix: free some space or name another place, then run the same command",
            str(folder),
        )


def free_bytes(folder: Path) -> int:
    """What a user without privileges can still write to the file system of ``folder``."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
