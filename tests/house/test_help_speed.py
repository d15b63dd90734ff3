"""``--help`` and mistakes answer at once: before torch or another large library is imported.

What is imported is counted, not seconds: that number is the same on a loaded machine. A module takes about a
millisecond and a half; ``import torch`` alone is 1,200 of them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.parsers import programs

MOST_MODULES = 350
HEAVY = {
    "albumentations", "cv2", "hotcoco", "numba", "onnx", "onnxruntime", "pandas", "pycocotools", "requests",
    "scipy", "skimage", "tensorboard", "torch", "torchvision", "yaml",
}  # fmt: skip
IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| +([\w.]+)$", re.M)


def imported(command: list[str], folder: Path, expected: int, **environ: str) -> set[str]:
    """Every module that the last Python of a command imports; what it prints fits a terminal of 80 columns."""
    modules, printed = imported_and_printed(command, folder, expected, **environ)
    assert not [line for line in printed.splitlines() if len(line) > 80]
    return modules


def imported_and_printed(
    command: list[str], folder: Path, expected: int, **environ: str
) -> tuple[set[str], str]:
    environ = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1", "COLUMNS": "80", **environ}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stderr
    return set(IMPORTED.findall(done.stderr)), done.stdout


def assert_light(modules: set[str]) -> None:
    assert "argparse" in modules, "nothing was measured"
    heavy = HEAVY & {name.partition(".")[0] for name in modules}
    assert not heavy and len(modules) <= MOST_MODULES, f"{len(modules)} modules, of {sorted(heavy)} as well"


@pytest.mark.parametrize("program", programs())
def test_help_answers_at_once(program: str, repository: Path) -> None:
    assert_light(imported([sys.executable, "-m", program, "--help"], repository, expected=0))


def test_a_mistake_in_a_training_command_answers_at_once(repository: Path) -> None:
    assert_light(imported([sys.executable, "train_ssd.py", "--nonsense"], repository, expected=2))


def test_setup_script_explains_itself_at_once(repository: Path) -> None:
    done = subprocess.run(
        ["./setup_coco.sh", "--help"],
        cwd=repository,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--sample" in done.stdout and "GB" in done.stdout
    assert_light(imported(["./setup_coco", "--help"], repository, expected=0, PYTHON=sys.executable))


def test_the_measure_sees_a_library(repository: Path) -> None:
    program = "import argparse, torch, sys; sys.exit(0)"
    with pytest.raises(AssertionError, match="torch"):
        assert_light(imported([sys.executable, "-c", program], repository, expected=0))
