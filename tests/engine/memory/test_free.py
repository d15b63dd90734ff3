"""What is free: the machine's, or what the limits of the container leave."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from vision.engine.memory import free
from vision.engine.memory.free import free_bytes, resident_bytes, trim_above

CPU = torch.device("cpu")
GB = 10**9


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """8 GB available and 1 GB of swap, and groups below ``sys``."""
    (tmp_path / "meminfo").write_text("MemTotal: 16 kB\nMemAvailable:    8000000 kB\nSwapFree: 1000000 kB\n")
    (tmp_path / "sys").mkdir()
    for name, path in (("MEMINFO", "meminfo"), ("OWN_GROUPS", "cgroup"), ("GROUPS", "sys")):
        monkeypatch.setattr(free, name, tmp_path / path)
    return tmp_path


def group(folder: Path, limit: str, used: int, cached: int, v1: bool = False) -> None:
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    names = names if v1 else ("memory.max", "memory.current", "inactive_file")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {cached}\n")


def test_without_limits_it_is_memory_and_swap(machine: Path) -> None:
    assert free_bytes(CPU) == 9_000_000 * 1024
    (machine / "cgroup").write_text("0::/a/b\n")
    group(machine / "sys/a/b", "max", GB, 0)
    assert free_bytes(CPU) == 9_000_000 * 1024


def test_the_narrowest_limit_above_a_process_counts_and_cached_files_are_free(machine: Path) -> None:
    (machine / "cgroup").write_text("0::/a/b\n")
    group(machine / "sys/a/b", str(6 * GB), 3 * GB, GB)
    assert free_bytes(CPU) == 4 * GB
    group(machine / "sys/a", str(5 * GB), 3 * GB, GB)
    assert free_bytes(CPU) == 3 * GB
    group(machine / "sys", str(2 * GB), 3 * GB, 0)  # as inside a container, whose own group is the root
    assert free_bytes(CPU) == 0


def test_version_one_of_the_groups_is_read_too(machine: Path) -> None:
    (machine / "cgroup").write_text("5:cpu,cpuacct:/x\n4:memory:/docker/x\n")
    group(machine / "sys/memory/docker/x", str(4 * GB), GB, 0, v1=True)
    group(machine / "sys/memory", "9223372036854771712", GB, 0, v1=True)
    assert free_bytes(CPU) == 3 * GB


def test_where_nobody_knows(machine: Path) -> None:
    (machine / "meminfo").unlink()
    assert free_bytes(CPU) is None


def test_here_it_is_less_than_the_machine_has() -> None:
    found = free_bytes(CPU)
    assert found is not None
    assert found >= 0 and 0 < resident_bytes() < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE")


def test_it_is_given_back_above_the_limit_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[int] = []
    library = type("Libc", (), {"malloc_trim": staticmethod(trimmed.append)})
    monkeypatch.setattr("ctypes.CDLL", lambda name: library)
    trim_above(1 << 60)
    assert not trimmed
    trim_above(0)
    assert trimmed == [0]
