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
    """Of one command: bytes held together, and the most of them that are in no file (other programs that map the same libraries take
    no share of these); how many processes held them, seconds, exit code."""

    bytes: int
    anonymous: int
    processes: int
    seconds: float
    status: int


def peak_of(command: Sequence[str], log: Path) -> Peak:
    """Runs ``command`` in a session of its own, by which its processes are told; what it prints goes into ``log``."""
    began = time.perf_counter()
    with log.open("wb") as out:
        running = subprocess.Popen(command, start_new_session=True, stdout=out, stderr=subprocess.STDOUT)
        done = threading.Event()
        seen = [(0, 0), (0, 0)]

        def look() -> None:
            while not done.wait(EVERY_S):
                shares = [share_of(process) for process in of_session(running.pid)]
                for which in (0, 1):
                    seen[which] = max(seen[which], (sum(share[which] for share in shares), len(shares)))

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            status = running.wait()
        finally:
            done.set()
            watcher.join()
    (most, processes), (anonymous, _) = seen
    return Peak(most, anonymous, processes, time.perf_counter() - began, status)


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


def share_of(process: int) -> tuple[int, int]:
    """Bytes of memory and swap, and of them those in no file; zeros for a process that is gone."""
    with suppress(OSError):
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
        found = {name: 1024 * int(kib) for name, kib in re.findall(r"^(\w+): +(\d+) kB$", text, re.M)}
        share = found["Pss"] + found.get("SwapPss", 0)
        return share, share - found.get("Pss_File", 0)
    return 0, 0
