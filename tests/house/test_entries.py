"""Every program begins with the guard, and none of them can be made to end in a traceback by where it prints to."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.law import python_files, read_law
from tests.house.parsers import programs, starts_something

ODD_OUTPUTS = {
    "C locale": ("", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "latin-1": ("", {"PYTHONIOENCODING": "latin-1"}),
    "closed": (">&-", {}),
    "all closed": ("<&- >&- 2>&-", {}),
    "full": (">/dev/full", {}),
    "a reader that has ended": ("| true", {}),
}


def is_program(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def test_every_program_begins_with_the_guard(repository: Path) -> None:
    law = read_law((repository / "docs" / "house.md").read_text(encoding="utf-8"))
    files = [file for file in python_files(law) if "tests" not in file.relative_to(repository).parts]
    found = 0
    for file in files:
        body = ast.parse(file.read_text(encoding="utf-8")).body
        if not (starts_something(file) and any(map(is_program, body))):
            continue
        found += 1
        after_doc = [node for node in body if not isinstance(node, ast.Expr)]
        first = after_doc[1] if ast.unparse(after_doc[0]).startswith("from __future__") else after_doc[0]
        assert is_program(first) and "guard(" in ast.unparse(first), (
            f"{file}: the guard comes before the imports"
        )
    assert found >= 20


def test_every_program_finds_the_toolkit_when_it_is_run_as_a_file(repository: Path) -> None:
    """``python tools/doctor.py`` and ``python tools/evaluate`` are what users of scripts type; the next test runs them."""
    law = read_law((repository / "docs" / "house.md").read_text(encoding="utf-8"))
    found = 0
    for file in python_files(law):
        text, parts = file.read_text(encoding="utf-8"), file.relative_to(repository).parts
        if '__name__ == "__main__"' not in text or "tests" in parts or len(parts) == 1:
            continue
        found += 1
        (finds, *_) = next(filter(is_program, ast.parse(text).body)).body  # type: ignore[attr-defined]
        up = "/".join([".."] * len(parts))
        assert ast.unparse(finds) == (
            "if not __package__:\n"
            f"    __import__('sys').path[0] = __import__('os').path.realpath(__file__ + '/{up}')"
        ), file
    assert found >= 25


@pytest.mark.parametrize("position", range(len(programs())), ids=lambda position: programs()[position])
def test_help_is_printed_anywhere(position: int, repository: Path) -> None:
    """The text of each program in the smallest alphabet, and the other outputs in turn: what is done about those is done
    by the guard, which each program begins with."""
    smallest, *others = ODD_OUTPUTS
    prints_help(programs()[position], [smallest, others[position % len(others)]], repository)


@pytest.mark.faults
@pytest.mark.parametrize("program", programs())
def test_help_of_each_program_is_printed_everywhere(program: str, repository: Path) -> None:
    prints_help(program, list(ODD_OUTPUTS), repository)


def prints_help(program: str, outputs: list[str], repository: Path) -> None:
    as_file = repository / program.replace(".", "/")
    as_file = as_file if as_file.is_dir() else as_file.with_suffix(".py")
    for name, (where, environment) in ((name, ODD_OUTPUTS[name]) for name in outputs):
        start = os.path.relpath(as_file, repository) if name == "C locale" else f"-m {program}"
        line = f"{sys.executable} {start} --help {where}; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=repository,
            env={**os.environ, **environment},
            capture_output=True,
            check=False,
        )
        assert done.returncode in (0, 1, 141), (name, done.stderr)
        assert b"Traceback" not in done.stderr and b"ignored" not in done.stderr, (name, done.stderr)
        assert done.returncode == 0 or name in ("full", "a reader that has ended"), (name, done.stderr)
