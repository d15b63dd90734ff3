"""What is free on this machine, what this process holds, and how it gives freed memory back. Bytes."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

import torch

from vision.datasets.workers import give_back_freed

MEMINFO, OWN_GROUPS, GROUPS = Path("/proc/meminfo"), Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60
"""A limit of cgroup v1 above this is none."""


def free_bytes(device: torch.device) -> int | None:
    """What ``device`` has free or can free at once; None where that cannot be told.

    Of a CPU: memory and swap, or what the limits of the container leave where that is less.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    with suppress(OSError):
        facts = _kilobytes(MEMINFO, ":")
        if "MemAvailable" in facts:
            free = facts["MemAvailable"] + facts.get("SwapFree", 0)
            return max(0, min([free, *_left_of_limits()]))
    return None


def _kilobytes(path: Path, behind: str) -> dict[str, int]:
    text = path.read_text(encoding="ascii", errors="replace")
    return {
        name: int(number) * 1024 for name, number in re.findall(rf"^(\w+){behind}\s+(\d+) kB$", text, re.M)
    }


def _left_of_limits() -> list[int]:
    """What each limit leaves that holds for this process, those of the groups above it included (cgroup v2 and v1)."""
    found = []
    for line in OWN_GROUPS.read_text(encoding="utf-8").splitlines() if OWN_GROUPS.is_file() else []:
        _, controllers, path = line.split(":", 2)
        names, root = ("memory.max", "memory.current", "inactive_file"), GROUPS
        if controllers:
            if "memory" not in controllers.split(","):
                continue
            root = GROUPS / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        folder = root / path.lstrip("/")
        for group in (folder, *folder.parents):
            if group == root.parent:
                break
            with suppress(OSError, ValueError):
                limit = int((group / names[0]).read_text(encoding="ascii"))  # "max": none
                if limit < UNLIMITED:
                    found.append(limit - int((group / names[1]).read_text()) + _cached(group, names[2]))
    return found


def _cached(group: Path, name: str) -> int:
    """Files in memory that are dropped where memory is short."""
    text = (group / "memory.stat").read_text(encoding="ascii")
    match = re.search(rf"^{name} (\d+)$", text, re.M)
    return int(match[1]) if match else 0


def resident_bytes() -> int:
    """What this process holds in memory, libraries included; 0 where that cannot be told."""
    with suppress(OSError, IndexError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf(
            "SC_PAGESIZE"
        )
    return 0


def trim_above(limit: int) -> None:
    """Give what is freed back to the system where this process holds more than ``limit``.

    Between blocks of different sizes glibc keeps holes that the next ones do not fit into.
    """
    if resident_bytes() > limit:
        give_back_freed()
