"""The law of the house, read out of the table in docs/house.md, so that the document and the tests cannot differ."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
IMPORT_NAMES = {"scikit-image": "skimage", "Pillow": "PIL", "opencv": "cv2", "PyYAML": "yaml"}
ROW = re.compile(r"^\| (\d+b?) \| (.+?) \| .+ \| (.+?) \|$", re.M)


@dataclass(frozen=True)
class Room:
    """One row: its number, the folders or files it stands for, and what may be imported there.

    libraries is None where any may be.
    """

    number: str
    places: tuple[str, ...]
    rooms: frozenset[str]
    libraries: frozenset[str] | None


@dataclass(frozen=True)
class Import:
    """One imported module, where it stands."""

    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(REPOSITORY)}:{self.line}: imports {self.module}"


def read_law(text: str) -> list[Room]:
    """The rooms in the order of the table, row 0 first."""
    rows = ROW.findall(text)
    order = [number for number, _, _ in rows]
    rooms: list[Room] = []
    any_library = False
    for number, places, may in rows:
        any_library = any_library or "torch from here on" in may
        reachable, libraries = read_cell(may, order)
        everything = may.strip() == "all"
        rooms.append(
            Room(
                number,
                tuple(re.findall(r"`([^`]+)`", places)),
                frozenset(order if everything else [*reachable, number]),
                None if any_library or everything else libraries,
            )
        )
    return rooms


def read_cell(may: str, order: list[str]) -> tuple[list[str], frozenset[str]]:
    """``0, 0b, 2–6`` → the rooms of that list; every other word is a library."""
    reachable, libraries = [], set()
    for word in (part.strip() for part in may.split(",")):
        first, _, last = word.partition("–")
        if first in order:
            reachable += order[order.index(first) : order.index(last or first) + 1]
        elif word not in ("stdlib", "all", "torch from here on"):
            libraries.add(IMPORT_NAMES.get(word, word))
    return reachable, frozenset(libraries)


def room_of(file: Path, law: list[Room]) -> Room | None:
    """The row that a file of the repository belongs to; None for the empty package files above the rooms."""
    name = file.relative_to(REPOSITORY).as_posix()
    for room in law:
        for place in room.places:
            if name == place or (place.endswith("/") and name.startswith(place)):
                return room
    return None


def python_files(law: list[Room]) -> list[Path]:
    """Every Python file of every room, in order."""
    files: list[Path] = []
    for place in (place for room in law for place in room.places):
        path = REPOSITORY / place
        files += sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.is_file() else []
    return files


def module_name(file: Path) -> str:
    parts = file.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def file_of(module: str) -> Path | None:
    """The file of the repository that ``import module`` runs; of ``from package import name`` try both."""
    path = REPOSITORY.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def imports_of(file: Path) -> Iterator[Import]:
    """Every import of a file, those inside functions and under TYPE_CHECKING too.

    ``from package import name`` counts as ``package.name`` where that is a module of ours.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(file, node)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(file, node.lineno, inner if file_of(inner) else base)


def absolute(file: Path, node: ast.ImportFrom) -> str:
    """The full name that a relative import stands for."""
    if not node.level:
        return node.module or ""
    package = file.relative_to(REPOSITORY).parent.parts
    kept = package[: len(package) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])


def is_library(module: str) -> bool:
    """True for what is neither of the standard library nor ours."""
    top = module.partition(".")[0]
    ours = (REPOSITORY / top).is_dir() or (REPOSITORY / f"{top}.py").is_file()
    return top not in sys.stdlib_module_names and not ours and top != "__future__"
