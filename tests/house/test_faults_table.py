"""docs/faults.md names a test for each fault: every one exists, and what is called long has the marker."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

NAMED = re.compile(r"(\*long\* )?`(tests/[\w/]+\.py)::(test_\w+)`")
PARTS = {
    "Every stage": 10,
    "Download": 8,
    "Open Images": 10,
    "Extract": 4,
    "Import of foreign data": 7,
    "Validate": 8,
    "Remap and index": 8,
    "Train": 12,
    "Export": 2,
}
"""Section → how many rows it has at least."""


@pytest.fixture(scope="module")
def document(repository: Path) -> str:
    return (repository / "docs/faults.md").read_text(encoding="utf-8")


def rows(document: str, section: str) -> list[list[str]]:
    """Cells of the rows of the section's table."""
    text = document.split(f"\n## {section}\n", 1)[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def functions_in(file: Path) -> dict[str, bool]:
    """Test functions of a file → whether they have the marker ``faults`` (or ``slow``), alone or by their module."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {
        node.name: any(
            "mark.faults" in (of := ast.unparse(d)) or "mark.slow" in of for d in node.decorator_list
        )
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("section", PARTS)
def test_every_fault_has_a_test_that_exists(document: str, repository: Path, section: str) -> None:
    found = rows(document, section)
    assert len(found) >= PARTS[section]
    for cells in found:
        assert len(cells) == 3, cells[0]
        fault, becomes, tests = cells
        named = NAMED.findall(tests)
        assert fault and becomes and named, f"{fault}: no test"
        assert tests.count("::") == len(named), f"{fault}: {tests}"
        for long, file, name in named:
            known = functions_in(repository / file) if (repository / file).is_file() else {}
            assert name in known, f"{fault}: {file} has no {name}"
            assert known[name] == bool(long), f"{fault}: {name} is marked otherwise than told"


def test_no_row_stands_twice(document: str) -> None:
    lines = [line for line in document.splitlines() if line.startswith("| ") and "`tests/" in line]
    assert len(lines) == len(set(lines))


def test_a_name_that_does_not_exist_is_found(repository: Path) -> None:
    text = (
        "\n## Extract\n\n| fault | what | test |\n|---|---|---|\n" + "| a | b | `tests/x.py::test_x` |\n" * 5
    )
    with pytest.raises(AssertionError, match=r"tests/x\.py has no test_x"):
        test_every_fault_has_a_test_that_exists(text, repository, "Extract")
