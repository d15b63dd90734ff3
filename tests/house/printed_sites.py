"""Where the product spells a command for people to copy, and which tests say that they run it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vision.messages import advice

REPOSITORY = Path(__file__).resolve().parents[2]
QUOTING = {"command", "quoted"}
SPELLED = re.compile(
    r"python3? -m [a-z]|python train_ssd\.py|\./setup_coco\.sh(?= -|$)|source \.venv|torchrun -|tensorboard -"
    r"|(?:apt|pip) install |\b(?:rm|mv|ulimit) -\w|--shm-size="
)
"""Text that is a command, or the beginning of one, without a word of somebody else's."""
HELP = {"add_argument", "add", "add_parser", "ArgumentParser", "Parser", "flag", "metavar", "option"}
"""Calls whose text is ``--help``: its examples have a test of their own."""


@dataclass(frozen=True)
class Site:
    """One expression of the product; ``name`` is ``file:function``, with ``#2`` for the second of a function."""

    name: str
    file: Path
    first: int
    last: int
    text: str
    """What stands there itself, with ``…`` for the rest."""
    quotes: bool
    """Whether words of others are in it, which the function that quotes has seen."""


def sites_of(file: Path) -> list[Site]:
    """In the order of the file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = _quoting_names(tree)
    found: list[Site] = []
    count: dict[str, int] = {}
    for where, node in _expressions(tree, names, ""):
        base = f"{file.relative_to(REPOSITORY).as_posix()}:{where}"
        count[base] = count.get(base, 0) + 1
        name = base if count[base] == 1 else f"{base}#{count[base]}"
        last = node.end_lineno or node.lineno
        found.append(Site(name, file, node.lineno, last, _text(node), _quotes(node, names)))
    return found


def product_sites() -> list[Site]:
    folders = (REPOSITORY / name for name in ("pipeline", "vision", "tools"))
    files = [REPOSITORY / "train_ssd.py", *(file for folder in folders for file in folder.rglob("*.py"))]
    own = {Path(str(advice.__file__))}
    return [site for file in sorted({*files} - own) for site in sites_of(file)]


def _quoting_names(tree: ast.Module) -> set[str]:
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == advice.__name__
        for alias in node.names
        if alias.name in QUOTING
    }


def _expressions(node: ast.AST, names: set[str], where: str) -> Iterator[tuple[str, ast.expr]]:
    """(function, expression): the outermost ones that spell a command."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield from _expressions(child, names, f"{where}.{child.name}".lstrip("."))
        elif (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)) or _is_help(child):
            continue
        elif isinstance(child, ast.expr) and _is_site(child, names, where):
            yield where, child
        else:
            yield from _expressions(child, names, where)


def _is_help(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword):
        return node.arg in ("epilog", "help", "prog", "usage", "description", "summary")
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and "EXAMPLES" in target.id for target in node.targets)
    return isinstance(node, ast.Call) and _called(node) in HELP


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _is_site(node: ast.expr, names: set[str], where: str) -> bool:
    if isinstance(node, ast.JoinedStr):
        return _quotes(node, names) or SPELLED.search(_text(node)) is not None
    if isinstance(node, ast.Call) and _called(node) == "join" and _quotes(node, names):
        return not any(isinstance(each, ast.JoinedStr) and _quotes(each, names) for each in ast.walk(node))
    if isinstance(node, ast.Call) and names & {_called(node), *(getattr(a, "id", "") for a in node.args)}:
        return True
    constant = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return bool(where) and constant and SPELLED.search(_text(node)) is not None


def _quotes(node: ast.expr, names: set[str]) -> bool:
    return any(isinstance(each, ast.Name) and each.id in names for each in ast.walk(node))


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""


def claimed(file: Path, known: set[str]) -> Iterator[tuple[str, str]]:
    """(site, test) of every site that a test of ``file`` names, itself or in a table, and runs by ``printed(…)``."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    tables = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and _runs(node):
            inside = list(ast.walk(node))
            named = [tables[each.id] for each in inside if isinstance(each, ast.Name) and each.id in tables]
            for each in [*inside, *(part for table in named for part in ast.walk(table))]:
                if isinstance(each, ast.Constant) and each.value in known:
                    yield each.value, f"{file.relative_to(REPOSITORY)}::{node.name}"


def _runs(test: ast.FunctionDef) -> bool:
    return any(isinstance(each, ast.Call) and _called(each) == "printed" for each in ast.walk(test))
