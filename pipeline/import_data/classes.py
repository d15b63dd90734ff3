"""One list of classes out of what a layout states and what its boxes say.

The order is the stated one (``labels.txt``, ``data.yaml``, CVAT's labels, COCO's ids); names that only boxes have follow, by
name. Names that differ in blanks or in case alone are one class, spelled as stated, else as most boxes spell it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pipeline.stop import StageError
from vision.artefacts.data_layout import BACKGROUND, class_key, tidy
from vision.messages.advice import shown
from vision.messages.command_line import listed, no_such_choice

MAX_BYTES = 200


def fault_of(name: str) -> tuple[str, str] | None:
    """(code, words) for a name that cannot be a line of ``labels.txt``."""
    plain = tidy(name)
    if not plain:
        return "no_name", "the class has no name"
    if plain.upper() == BACKGROUND:
        return "background_class", f"{shown(name)!r} is line 0 of labels.txt and the name of no object"
    if not plain.isprintable() or len(plain.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return "bad_class_name", f"{shown(name[:60])!r} cannot be a line of labels.txt"
    return None


@dataclass(frozen=True, slots=True)
class Classes:
    """``names`` in order; the label of a name is its place counted from 1."""

    names: tuple[str, ...]
    label_by_key: dict[str, int]
    notes: list[str]

    def label(self, name: str) -> int:
        return self.label_by_key[class_key(name)]


def unite(stated: Iterable[str], used: Counter[str]) -> Classes:
    """``used``: how many boxes have each name, as written; all of them without a fault."""
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for name, count in used.items():
        spellings[class_key(name)][tidy(name)] += count
    order: dict[str, str] = {}
    notes, stated = [], list(stated)
    for name in stated:
        if (fault := fault_of(name)) is not None:
            notes.append(f"class left out: {fault[1]}")
        elif class_key(name) in order:
            notes.append(f"class {tidy(name)!r} is stated twice: one class")
        else:
            order[class_key(name)] = tidy(name)
    unstated = sorted(spellings.keys() - order.keys())
    if stated and unstated:
        more = [f"{_most(spellings[key])!r} ({spellings[key].total():,})" for key in unstated]
        notes.append(
            f"classes that boxes have and the stated list has not, which follow it: {listed(more, 5)}"
        )
    order |= {key: _most(spellings[key]) for key in unstated}
    for key, found in spellings.items():
        if others := sorted(found.keys() - {order[key]}):
            notes.append(
                f"class {order[key]!r} is also spelled {listed([repr(each) for each in others], 5)}: one class"
            )
    names = tuple(order.values())
    return Classes(names, {key: label for label, key in enumerate(order, 1)}, notes)


def _most(spellings: Counter[str]) -> str:
    return min(spellings, key=lambda name: (-spellings[name], name))


def require(chosen: Collection[str] | None, classes: Classes) -> None:
    """Raises StageError for a name of ``--classes`` that no class has."""
    for name in chosen or ():
        if name not in classes.names:
            raise StageError(
                "--classes " + no_such_choice(name, classes.names),
                "that is how the data set spells its classes",
                "name it so, or leave out --classes",
            )
