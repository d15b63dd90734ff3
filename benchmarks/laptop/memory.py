"""The most memory that a command and all the processes it started held at one time, on Linux.

A process' share is its PSS: pages that several hold are divided among them, so that the sum is what is really taken.
Pages of files that are mapped and could be dropped are in it. The sum is looked at every 50 ms, so a shorter peak may be missed.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

EVERY_S = 0.05


class Peak(NamedTuple):
    """Of one command: bytes held together, how many processes held them, seconds, exit code."""

    bytes: int
    processes: int
    seconds: float
    status: int


def peak_of(command: Sequence[str], log: Path) -> Peak:
    """Runs ``command`` in a session of its own, by which its processes are told; what it prints goes into ``log``."""
    began = time.perf_counter()
    with log.open("wb") as out:
        running = subprocess.Popen(command, start_new_session=True, stdout=out, stderr=subprocess.STDOUT)
        done = threading.Event()
        seen = [(0, 0)]

        def look() -> None:
            while not done.wait(EVERY_S):
                shares = [pss_bytes(process) for process in of_session(running.pid)]
                seen[0] = max(seen[0], (sum(shares), len(shares)))

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            status = running.wait()
        finally:
            done.set()
            watcher.join()
    return Peak(*seen[0], time.perf_counter() - began, status)


def of_session(session: int) -> list[int]:
    """The processes of a session."""
    found = []
    for entry in os.scandir("/proc"):
        with suppress(OSError, IndexError, ValueError):
            # pid (name) state ppid pgrp session …; a name may hold spaces and brackets
            stat = Path(entry.path, "stat").read_text(errors="replace").rpartition(")")[2].split()
            if entry.name.isdigit() and int(stat[3]) == session:
                found.append(int(entry.name))
    return found


def pss_bytes(process: int) -> int:
    """Memory and swap; 0 for a process that is gone."""
    with suppress(OSError):
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
        return 1024 * sum(map(int, re.findall(r"^(?:Pss|SwapPss): +(\d+) kB$", text, re.M)))
    return 0
