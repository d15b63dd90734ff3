"""What is tracked: small, free of the paths of any machine, one idea a file, and tests where one looks for them."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

LARGEST_BYTES, LONGEST_MODULE = 1_000_000, 400
HOME_OF_SOMEBODY = re.compile(r"(?<![\w.~-])/(?:root|home/\w+|Users/\w+)/")

# Rooms of tests that mirror no room of the house, and tests that are of a room and of no single module in it.
OWN_ROOMS = ("house", "end_to_end", "faults")
WITHOUT_MODULE = {
    "tests/nn/weights/test_base_net.py", "tests/ssd/test_published.py",
    "tests/engine/training/test_compiled.py", "tests/engine/training/test_unread.py",  # of step.py and loop.py together
    *(f"tests/{room}/test_all_nets.py" for room in ("ssd", "engine", "export")),
}  # fmt: skip
ASKS = "from vision.messages import supported_python as supported_python"


@pytest.fixture(scope="module")
def tracked(repository: Path) -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    files = [repository / name for name in done.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]


def test_no_large_files(tracked: list[Path]) -> None:
    large = [
        f"{file}: {file.stat().st_size} bytes" for file in tracked if file.stat().st_size > LARGEST_BYTES
    ]
    assert not large, "\n".join(large)


def test_no_path_of_a_machine(tracked: list[Path], repository: Path) -> None:
    """Neither this checkout's own folder nor the home of anybody."""
    own = f"{repository}/"
    wrong = []
    for file in tracked:
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="ignore").splitlines(), 1):
            if own in line or HOME_OF_SOMEBODY.search(line):
                wrong.append(f"{file.relative_to(repository)}:{number}: {line.strip()[:120]}")
    assert not wrong, "\n".join(wrong)


def test_modules_are_short(tracked: list[Path], repository: Path) -> None:
    lengths = {file: len(file.read_bytes().splitlines()) for file in tracked if file.suffix == ".py"}
    long = [f"{file.relative_to(repository)}: {n} lines" for file, n in lengths.items() if n > LONGEST_MODULE]
    assert not long, "\n".join(long)


def test_no_room_is_named_for_nothing(tracked: list[Path]) -> None:
    vague = {"utils", "util", "misc", "helpers", "helper", "common"}
    assert not [file for file in tracked if vague & {part.removesuffix(".py") for part in file.parts[-3:]}]


def test_tests_mirror_the_rooms(tracked: list[Path], repository: Path) -> None:
    lost = []
    for file in tracked:
        parts = file.relative_to(repository).parts
        if parts[0] != "tests" or not parts[-1].startswith("test_") or file.suffix != ".py":
            continue
        inner, name = parts[1:-1], parts[-1].removeprefix("test_")
        if (inner[:1] and inner[0] in OWN_ROOMS) or "/".join(parts) in WITHOUT_MODULE:
            continue
        # a module, or a folder of modules that are tested together
        if not any(_exists(repository.joinpath(top, *inner, name)) for top in ("", "vision")):
            lost.append(
                f"{'/'.join(parts)}: there is no {'/'.join([*inner, name])} in the repository or in vision/"
            )
    assert not lost, "\n".join(lost)


def _exists(module: Path) -> bool:
    return module.is_file() or module.with_suffix("").is_dir() or module.with_suffix(".sh").is_file()


def test_package_files_are_maps_only(tracked: list[Path], repository: Path) -> None:
    """An ``__init__.py`` says what stands in its room, in a docstring, and runs nothing.

    Those of the packages that programs are started from ask whether this Python is new enough, and nothing else.
    """
    wrong = []
    for file in tracked:
        if file.name == "__init__.py":
            lines = {
                ast.unparse(node): node.lineno
                for node in ast.parse(file.read_text(encoding="utf-8")).body
                if not isinstance(node, ast.Expr)
            }
            started = file.parent.parent == repository and file.parent.name != "tests"
            wrong += [
                f"{file.relative_to(repository)}:{line}" for text, line in lines.items() if text != ASKS
            ]
            wrong += [] if (ASKS in lines) == started else [f"{file.relative_to(repository)}: {ASKS}"]
    assert not wrong, "\n".join(wrong)
