"""Whatever is put into a command that is printed goes through the one function that quotes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.house.law import python_files, read_law

SAFE = {"quoted", "command", "spelled", "named_again"}
PROGRAM = r"(?:python3? -m [\w.]+|train_ssd\.py|setup_coco\.sh|--logdir|(?:with|fix:) --(?:resume|pretrained-ssd|root|datasets)|\b(?:rm|mv|cp|cd|tensorboard))"
BEHIND = re.compile(PROGRAM + r"(?: [\w./=-]+)* $")
"""Text that ends inside a command, where a word of somebody else's may follow."""


def unquoted(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, expression) of every placeholder inside a command whose value is not quoted."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        before = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                before += str(part.value)
            elif isinstance(part, ast.FormattedValue):
                if BEHIND.search(before.rpartition("\n")[2]) and not is_safe(part.value):
                    found.append((part.lineno, ast.unparse(part.value)))
                before += "X"
    return found


def is_safe(value: ast.expr) -> bool:
    """A call of a function that quotes, or a constant of ours."""
    if isinstance(value, ast.Name):
        return value.id.isupper()
    if isinstance(value, ast.Call):
        name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
        return name in SAFE
    return isinstance(value, ast.Constant)


def test_the_rule_sees_what_it_should() -> None:
    bad = [
        'f"python -m pipeline run --root {root}"', 'f"fix: python -m tools.evaluate {run}"', 'f"rm {path}"',
        'f"python train_ssd.py --resume {run}"', 'f"a {b}: go on with --resume {run}"', 'f"mv {quoted(a)} {b}"',
        'f"python -m pipeline run --root {str(root)}"',
    ]  # fmt: skip
    good = [
        'f"python -m pipeline run --root {quoted(root)}"', 'f"python -m pipeline.{stage}"',
        'f"--output {path} is a folder"', 'f"{root}: no such folder; python -m pipeline list"', 'f"{n} rm"',
    ]  # fmt: skip
    assert all(unquoted(ast.parse(text)) for text in bad)
    assert not any(unquoted(ast.parse(text)) for text in good)


def test_printed_commands_are_quoted(repository: Path) -> None:
    law = read_law((repository / "docs" / "house.md").read_text(encoding="utf-8"))
    files = [
        file
        for file in python_files(law)
        if file.relative_to(repository).parts[0] not in ("tests", "benchmarks")
    ]
    wrong = [
        f"{file.relative_to(repository)}:{line}: {value} is not quoted (vision/messages/advice.py)"
        for file in files
        for line, value in unquoted(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert not wrong, "\n".join(wrong)


def test_nobody_quotes_in_another_way(repository: Path) -> None:
    law = read_law((repository / "docs" / "house.md").read_text(encoding="utf-8"))
    own = {repository / "vision/messages/advice.py", repository / "vision/artefacts/holder.py"}
    wrong = [
        str(file.relative_to(repository))
        for file in python_files(law)
        if file not in own and "tests" not in file.relative_to(repository).parts
        if re.search(r"\bshlex\b", file.read_text(encoding="utf-8"))
    ]
    assert not wrong, wrong
