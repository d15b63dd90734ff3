"""A Python that is too old gets one line from every program, before anything that it cannot compile."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vision.messages.supported_python import NEWEST, OLDEST, require_python

LINE = re.compile(
    r"STOP: Python 3\.\d+ \(.+\) is too old: 3\.10 to 3\.13 is needed, .*\./setup_coco\.sh makes\n"
)
PROGRAMS = [
    "train_ssd.py",
    "-m pipeline",
    "-m pipeline.index.query",
    "-m tools.doctor",
    "-m tools.setup",
    "-m benchmarks.noop",
]
SCRIPTS = ["./setup_coco.sh", "./run_tests.sh"]
COMPILED_FIRST = [
    "train_ssd.py", "vision/__init__.py", "vision/artefacts/__init__.py", "vision/messages/supported_python.py",
    "pipeline/__init__.py", "tools/__init__.py", "benchmarks/__init__.py",
]  # fmt: skip

# Stands in for an older interpreter, wherever the tests run: it says that it is 3.9, then runs the program.
PRETEND = """
import runpy, sys
sys.version_info = (3, 9, 1, "final", 0)
sys.path.insert(0, "")
argument = sys.argv.pop(1)
runpy.run_path(argument, run_name="__main__") if argument.endswith(".py") else runpy.run_module(argument, run_name="__main__")
"""


def test_only_what_is_older_is_refused() -> None:
    for version in (OLDEST, (3, 12, 4), NEWEST, (3, 14), (4, 0)):
        require_python(version)
    for version in ((3, 9, 18), (3, 6), (2, 7)):
        with pytest.raises(
            SystemExit, match=r"^STOP: Python \d\.\d+ \(.+\) is too old: 3\.10 to 3\.13 is needed"
        ):
            require_python(version)


@pytest.mark.parametrize("program", PROGRAMS)
def test_one_line_before_anything_else(program: str, repository: Path) -> None:
    command = [sys.executable, "-c", PRETEND, program.removeprefix("-m ")]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and LINE.fullmatch(done.stderr) and not done.stdout, done.stderr


@pytest.mark.parametrize("name", COMPILED_FIRST)
def test_what_is_compiled_first_is_for_any_python_3(name: str, repository: Path) -> None:
    tree = ast.parse((repository / name).read_text(encoding="utf-8"), feature_version=(3, 7))
    evaluated = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module != "__future__", "3.6 does not know `annotations`"
        if isinstance(node, ast.FunctionDef):
            evaluated += [one.annotation for one in (*node.args.args, *node.args.kwonlyargs)] + [node.returns]
    assert not any(isinstance(one, (ast.Subscript, ast.BinOp)) for one in evaluated)


def older_pythons() -> list[str]:
    """Those on this machine, on PATH or of pyenv."""
    names = [f"python3.{minor}" for minor in range(6, OLDEST[1])]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [path for name in names if (path := shutil.which(name))]
    found += [str(path) for name in names for path in sorted(pyenv.glob(f"*/bin/{name}"))]
    return [
        one
        for one in found
        if not subprocess.run([one, "-c", ""], capture_output=True, check=False).returncode
    ]


def test_the_older_pythons_of_this_machine(repository: Path) -> None:
    older = older_pythons()
    if not older:
        pytest.skip("no Python older than 3.10 on this machine")
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    for python in older:
        for program in (*PROGRAMS, *SCRIPTS):
            command = program.split() if program in SCRIPTS else [python, *program.split()]
            done = subprocess.run(
                command,
                cwd=repository,
                env={**environ, "PYTHON": python},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 1 and LINE.fullmatch(done.stderr) and not done.stdout, (
                command,
                done.stderr,
            )


def test_the_scripts_look_for_the_same_versions(repository: Path) -> None:
    text = (repository / "tools" / "environment.sh").read_text(encoding="utf-8")
    assert f"{OLDEST} <= sys.version_info[:2] <= {NEWEST}" in text
    (line,) = re.findall(r"names=\(.*\)", text)
    names = re.findall(r"\bpython3\.(\d+)\b", line)
    assert sorted(map(int, names)) == list(range(OLDEST[1], NEWEST[1] + 1))
