"""Real processes that are killed, or whose disk fails, at their N-th change of the file system; trees to compare.

The counting is done by a small library (``shim.c``) that is put before the C library, so that every process, thread
and extension module of the program is seen, at the level of system calls.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import warm

REPOSITORY = Path(__file__).resolve().parents[2]
KILL = "KILL"
FULL, BROKEN = str(errno.ENOSPC), str(errno.EIO)


@dataclass(frozen=True)
class Shim:
    """The library, and how programs are run under it."""

    library: Path

    def run(
        self, command: Sequence[str], under: Path, at: int, what: str, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs ``command``; at its ``at``-th change below ``under`` it is killed or the disk fails from then on."""
        with tempfile.TemporaryDirectory() as folder:
            return self._run(command, under, Path(folder, "count"), at, what, timeout)

    def count(self, command: Sequence[str], under: Path, timeout: float = 60) -> int:
        """Changes below ``under`` that ``command`` makes; it has to end with 0."""
        with tempfile.TemporaryDirectory() as folder:
            counted = Path(folder, "count")
            done = self._run(command, under, counted, 0, "", timeout)
            assert done.returncode == 0, done.stderr
            return counted.stat().st_size

    def _run(
        self, command: Sequence[str], under: Path, counted: Path, at: int, what: str, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        told = {"FAULT_UNDER": str(under), "FAULT_COUNT": str(counted), "LD_PRELOAD": str(self.library)}
        if what:
            told |= {"FAULT_AT": str(at), "FAULT_DO": what}
        return warm.run(
            command, cwd=REPOSITORY, env={**os.environ, **told}, timeout=timeout, capture_output=True, text=True,
            light=True,
        )  # fmt: skip


def build(folder: Path) -> Shim:
    """Compiles the shim; skips the test where that cannot be done."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler, or not Linux: system calls cannot be counted")
    library = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    return Shim(library)


def python(*words: str | Path) -> list[str]:
    return [sys.executable, *map(str, words)]


def killed_after(command: Sequence[str], seconds: float) -> bool:
    """Starts ``command``, kills all its processes after ``seconds``; False where it had ended by itself."""
    process = warm.Popen(
        command, light=True, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(seconds)
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return alive


def snapshot(root: Path, leave_out: Callable[[str], bool] = lambda name: False) -> dict[str, str]:
    """Every file below ``root`` by its digest, every link by its target; folders end in ``/``."""
    found = {}
    for parent, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(parent, name)
            relative = path.relative_to(root).as_posix()
            if leave_out(relative):
                continue
            if path.is_symlink():
                found[relative] = f"→ {path.readlink()}"
            elif path.is_dir():
                found[relative + "/"] = ""
            else:
                found[relative] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def spread(total: int, points: int, seed: int = 0) -> list[int]:
    """``points`` of 1..total, all where they are few: the last but one, where much is settled, and one in each stretch."""
    if total <= points:
        return list(range(1, total + 1))
    draw, stretch = random.Random(seed), (total - 2) / max(1, points - 1)
    return [*(1 + int((k + draw.random()) * stretch) for k in range(points - 1)), total - 1]
