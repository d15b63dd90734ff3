"""The clock of imports counts each once, and the probes run the trainer and the loader that users run."""

from __future__ import annotations

import builtins
import importlib
import mmap
import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.startup import probe
from benchmarks.startup.coco_sized import make_root


def test_imports_are_counted_once_however_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "slow_inner.py").write_text("import time; time.sleep(0.2)")
    (tmp_path / "slow_outer.py").write_text("import slow_inner")
    before = builtins.__import__, importlib.import_module
    with probe.ImportClock() as imports:
        began = time.monotonic()
        import slow_outer  # noqa: F401

        spent = time.monotonic() - began
        time.sleep(0.2)
    assert 0.2 <= imports.seconds <= spent
    assert (builtins.__import__, importlib.import_module) == before
    for name in ("slow_inner", "slow_outer"):
        del sys.modules[name]


def test_an_import_that_fails_is_counted_and_the_clock_continues() -> None:
    with probe.ImportClock() as imports:
        with pytest.raises(ImportError):
            importlib.import_module("there_is_no_such_module")
        first = imports.seconds
        import json  # noqa: F401
    assert imports.seconds > first > 0


def test_memory_of_this_process() -> None:
    private, share = probe.memory_of(os.getpid())
    held = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # not of what malloc has kept
    held.write(b"x" * (64 << 20))
    more = probe.memory_of(os.getpid())
    assert more[0] - private > 60 << 20 and more[1] - share > 60 << 20 and len(held)


def test_workers_are_watched(tmp_path: Path) -> None:
    found = probe.workers(str(make_root(tmp_path, 400, 20)))
    assert set(found) == {"start", "start_processor", "reading", "private", "share"}
    assert found["start"] > 0 and 0 < found["start_processor"] < 60
    assert found["private"] < 5e6, "400 images have 12 kB of boxes"
