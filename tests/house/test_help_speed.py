"""``--help`` and mistakes answer before torch is imported: in under half a second."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.parsers import programs

LIMIT_S = 0.5
TRIES = 5


def seconds_of_processor(command: list[str], folder: Path) -> tuple[float, int]:
    """User + system time of one run, which does not grow when the machine is busy with other tests."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, code


def best_of(command: list[str], folder: Path, expected: int) -> float:
    best = float("inf")
    for _ in range(TRIES):
        seconds, code = seconds_of_processor(command, folder)
        assert code == expected
        best = min(best, seconds)
        if best < LIMIT_S:
            break
    return best


@pytest.mark.parametrize("program", programs())
def test_help_answers_at_once(program: str, repository: Path) -> None:
    seconds = best_of([sys.executable, "-m", program, "--help"], repository, expected=0)
    assert seconds < LIMIT_S, f"{program} --help took {seconds:.2f} s; what it needs must be imported later"


def test_a_mistake_in_a_training_command_answers_at_once(repository: Path) -> None:
    if not (repository / "train_ssd.py").is_file():
        pytest.fail("there is no train_ssd.py")
    seconds = best_of([sys.executable, "train_ssd.py", "--nonsense"], repository, expected=2)
    assert seconds < LIMIT_S


def test_setup_script_explains_itself_at_once(repository: Path) -> None:
    environ = dict(os.environ, PYTHON=sys.executable)
    done = subprocess.run(
        ["./setup_coco.sh", "--help"],
        cwd=repository,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "--sample" in done.stdout and "GB" in done.stdout
    seconds = best_of(["./setup_coco", "--help"], repository, expected=0)
    assert seconds < LIMIT_S
