"""From the names of classes that were typed to the labels of the release (``Apple`` → ``/m/014j1m``)."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.open_images.release import damaged
from pipeline.stop import StageError
from vision.messages.advice import shown
from vision.messages.command_line import comma_joined, shortened
from vision.messages.terminal import counted

NEAR = 4


def read_descriptions(path: Path) -> dict[str, str]:
    """LabelName → name, in the order of the table. Raises StageError where it is no such table."""
    found: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.reader(file, strict=True), 1):
                if not row:
                    continue
                label, name = (value.strip() for value in row) if len(row) == 2 else ("", "")
                if not (label and name and label.isascii() and f"{label}{name}".isprintable()):
                    raise damaged(
                        path, f"line {number}: expected LabelName,name, found {shown(shortened(str(row)))}"
                    )
                found.setdefault(label, name)
    except (csv.Error, UnicodeDecodeError) as error:
        raise damaged(path, f"it is no CSV in UTF-8: {error}") from None
    if not found:
        raise damaged(path, "it is empty")
    return found


def labels_of(
    names: Sequence[str], descriptions: Mapping[str, str], say: Callable[[str], None]
) -> dict[str, str]:
    """LabelName → name of the classes ``names``; another case is accepted aloud. Raises StageError for unknown ones."""
    known = set(descriptions.values())
    lower = {name.lower(): name for name in descriptions.values()}
    wanted: list[str] = []
    unknown: list[str] = []
    for name in names:
        meant = name if name in known else lower.get(name.lower())
        if meant is None:
            unknown.append(name)
            continue
        if meant != name:
            say(f"note: {shown(name)!r} is taken for {shown(meant)!r}, as Open Images spells it")
        wanted.append(meant)
    if unknown:
        raise _unknown(unknown, known, [*wanted])
    return {label: name for label, name in descriptions.items() if name in wanted}


def _unknown(unknown: Sequence[str], known: set[str], wanted: Sequence[str]) -> StageError:
    near = {name: _near(name, known) for name in unknown}
    lines = "; ".join(
        f"{shown(shortened(name))!r} is none of them, near it: {', '.join(found) or 'nothing'}"
        for name, found in near.items()
    )
    better = comma_joined(dict.fromkeys([*wanted, *(found[0] for found in near.values() if found)]))
    return StageError(
        f"Open Images has no boxes of {', '.join(repr(shown(shortened(name))) for name in unknown)}",
        f"it has boxes of {counted(len(known), 'class')}; {lines}",
        f"name classes of its own, such as --classes {better!r}" if better else "name classes of its own",
    )


def _near(name: str, known: Iterable[str]) -> list[str]:
    """Those that are spelled alike, then those that have the word in them."""
    by_lower = {each.lower(): each for each in sorted(known)}
    word = name.lower()[:100]
    alike = difflib.get_close_matches(word, by_lower, n=NEAR)
    inside = [each for each in by_lower if word in each or (len(each) > 3 and each in word)]
    return [by_lower[each] for each in dict.fromkeys([*alike, *inside])][:NEAR]
