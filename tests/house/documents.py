"""Reads docs/artefacts.md: the paths and keys it names; and files as it promises them, with nothing of our code."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

STAGES = ("download", "extract", "validate_images", "remap_categories", "index")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def plain(path: Path) -> Any:
    """JSON as the document promises it: UTF-8, no key twice, no NaN."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), f"{path}: a key twice"
        return dict(pairs)

    def refuse(name: str) -> None:
        raise AssertionError(f"{path}: {name}")

    return json.loads(path.read_bytes().decode(), object_pairs_hook=unique, parse_constant=refuse)


def lines(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    assert not data or data.endswith(b"\n")
    return [json.loads(line) for line in data.decode().splitlines()]


def section(document: str, title: str) -> str:
    return document.split(f"\n## {title}", 1)[1].split("\n## ", 1)[0]


def documented(document: str, title: str) -> dict[str, re.Pattern[str]]:
    """The paths in the first column of the first table of a section, as patterns."""
    table = section(document, title).split("\n\n")
    rows = next(part for part in table if part.lstrip().startswith("| path |")).splitlines()[2:]
    found = {}
    for row in rows:
        for name in re.findall(r"`([^`]+)`", row.split(" | ")[0]):
            found[name] = re.compile(_pattern(name))
    return found


PARTS = {
    "{train,val,test}": "(train|val|test)", "{split}": "(train|val|test)", "<stage>": f"({'|'.join(STAGES)})",
    "<tree>": "[^/]+", "<path of the release>": ".+", "<n>": r"\d+", "{e}": r"\d+", "{s}": r"\d+", "{net}": r"[a-z0-9-]+",
    "{val_loss}": r"(none|\d+\.\d+)", "….": r"(?:.+)\.", "*": r"[^/]+",
}  # fmt: skip


def _pattern(name: str) -> str:
    tokens = re.split("(" + "|".join(map(re.escape, PARTS)) + ")", name)
    pattern = "".join(PARTS.get(token, re.escape(token)) for token in tokens)
    return pattern + (".*" if name.endswith("/") else "")


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def keys_of_table(document: str, title: str) -> set[str]:
    """The first column of the table that begins behind ``title``, without records of records."""
    table = document.split(title, 1)[1].split("| key |", 1)[1].split("\n\n")[0]
    rows = [row.split("|")[1] for row in table.splitlines()[2:]]
    return {
        name for row in rows if not row.strip().startswith("record:") for name in re.findall(r"`(\w+)`", row)
    }
