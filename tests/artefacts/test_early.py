"""Ctrl-C while a program is still importing: one line and 130."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.harness import REPOSITORY

SIGNALLED = """
import os, runpy, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == at:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background starts programs without it
at, module, *rest = sys.argv[1:]
sys.meta_path.insert(0, Interrupt())
sys.argv = [module, *rest]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
"""The real program; importing the module ``at`` meets a real signal."""


@pytest.mark.parametrize(
    ("module", "words", "at"),
    [
        ("pipeline", ["run", "--only", "extract"], "pipeline.clean"),
        ("pipeline", ["run", "--until", "extract"], "pipeline.extract"),
        ("pipeline", ["list"], "pipeline.index"),
        ("pipeline.download", [], "pipeline.command"),
        ("pipeline.validate_images", [], "tqdm"),
        ("pipeline.remap_categories", [], "pipeline.remap_file"),
        ("pipeline.index", ["query"], "pipeline.query"),
    ],
)
def test_an_interrupt_during_imports_is_one_line(
    module: str, words: list[str], at: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", SIGNALLED, at, module, *words]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert list(tmp_path.iterdir()) == []
    assert done.returncode == 130, done.stderr
    assert done.stderr.startswith("interrupted") and done.stderr.count("\n") == 1


def test_other_errors_are_shown_as_ever() -> None:
    script = "from vision.artefacts.early import guard; guard(); raise ValueError('seen')"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "Traceback" in done.stderr and "seen" in done.stderr
