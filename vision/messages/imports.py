"""What cannot be imported, for people: what, why, how to fix it. Standard library, since nothing else may be there."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from vision.messages.advice import command, quoted, shown

REPOSITORY = Path(__file__).resolve().parents[2]
_OURS = {"benchmarks", "pipeline", "tests", "tools", "train_ssd", "vision"}


def required_distributions(requirements: Path = REPOSITORY / "requirements.txt") -> tuple[str, ...]:
    """The names in requirements.txt, without versions and comments; none where the file is not there."""
    try:
        lines = requirements.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
    return tuple(found[0] for line in lines if (found := re.match(r"\w[\w.-]*", line)))


def said_of_import(error: ImportError) -> str | None:
    """Three lines; None for a module of this project, whose absence is a fault of ours and keeps its traceback."""
    name = (error.name or "").partition(".")[0]
    if name in _OURS:
        return None
    what = f"cannot import {shown(name)}" if name else "a library cannot be imported"
    if isinstance(error, ModuleNotFoundError) and name in sys.stdlib_module_names:
        why = f"{quoted(Path(sys.executable))} was built without it, though it belongs to Python"
        fix = "use another Python: apt install python3 python3-venv, or build this one again with the library's development files"
        return f"{what}\n  why: {why}\n  fix: {fix}"
    lacking = not_installed()
    here = quoted(Path(sys.executable))
    why = (
        f"lacks these of requirements.txt: {', '.join(lacking)}"
        if lacking
        else "has it damaged or incomplete"
    )
    return f"{what}\n  why: {shown(str(error))}; {here} {why}\n  fix: {_with_the_environment(bool(lacking))}"


def not_installed(requirements: str | Path = REPOSITORY / "requirements.txt") -> list[str]:
    """The names in requirements.txt that this Python does not have."""
    return [one for one in required_distributions(Path(requirements)) if not _is_installed(one)]


def _is_installed(distribution: str) -> bool:
    from importlib import metadata  # here: every program begins with this file, and it takes a while

    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _with_the_environment(lacking: bool) -> str:
    """The same command with the Python of ``.venv``, which is made or completed first where it has to be."""
    python = REPOSITORY / ".venv" / "bin" / "python"
    again = command(quoted(python), *sys.orig_argv[1:])
    other = Path(sys.executable).parent.resolve() != python.parent.resolve()
    if other and os.access(python, os.X_OK):
        return again
    if lacking:
        make = command("tools/environment.sh", "--base", Path(sys.executable))
        return f"(cd {quoted(REPOSITORY)} && {make}) && {again}"
    return "a lib….so that is not there belongs to the system (apt, JetPack); else remove .venv and run ./setup_coco.sh"
