"""The memory of a command is that of all its processes at one time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.laptop.memory import peak_of

HOLDS = "import subprocess, sys, time; held = b'x' * {size}; {more}; time.sleep(2)"


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs /proc of Linux")
def test_a_child_counts_with_its_parent_and_shared_pages_once(tmp_path: Path) -> None:
    size = 60_000_000
    child = HOLDS.format(size=size, more="pass")
    parent = HOLDS.format(
        size=size, more=f"subprocess.Popen([sys.executable, '-c', {child!r}]); print('said')"
    )
    alone = peak_of([sys.executable, "-c", child], tmp_path / "log")
    both = peak_of([sys.executable, "-c", parent], tmp_path / "log")
    assert (alone.status, alone.processes, both.processes) == (0, 1, 2)
    assert size < alone.bytes < 1.5 * size and 2 * size < both.bytes < 3 * size
    assert (tmp_path / "log").read_text() == "said\n"
    assert 2 * size < both.anonymous < both.bytes


def test_the_exit_code_is_told(tmp_path: Path) -> None:
    assert peak_of([sys.executable, "-c", "raise SystemExit(7)"], tmp_path / "log").status == 7
