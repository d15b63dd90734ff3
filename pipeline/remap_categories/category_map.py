"""The map from a dataset's own category ids to labels 1..C−1, and the two files that hold it.

A label is the line number in ``labels.txt`` counted from 0; line 0 is BACKGROUND. Labels follow the order of
the original ids, so ids that are already 1..C−1 stay as they are.
"""

from __future__ import annotations

import difflib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.annotations.reader import AnnotationError, AnnotationFile
from pipeline.annotations.rules import id_problem, whole
from pipeline.stage import StageError
from vision.artefacts.data_layout import BACKGROUND, labels_text
from vision.artefacts.records import RecordError, read_json
from vision.messages.command_line import comma_joined
from vision.messages.system_errors import in_words
from vision.messages.terminal import counted

MAX_NAME_BYTES = 200
CATEGORY_MAP_SCHEMA = 1


class NoSuchClass(AnnotationError):
    """What was asked for is not in the file; the file itself may be sound."""


class NoSuchImage(NoSuchClass):
    """The classes are there, but no image has an object of them within the bounds of its area."""


@dataclass(frozen=True, slots=True)
class Category:
    """One category as a file has it; ``original_id`` differs from ``id`` in files that were remapped before.

    ``more`` is whatever else is there (``keypoints``, ``skeleton``, …), passed on as it is.
    """

    id: int
    name: str
    supercategory: str
    original_id: int
    more: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class CategoryMap:
    """``chosen[i]`` has label ``i + 1``; ``known`` are all categories of the dataset by id."""

    chosen: tuple[Category, ...]
    known: dict[int, Category]

    @property
    def labels(self) -> dict[int, int]:
        """The label for each chosen category id of the file."""
        return {category.id: label for label, category in enumerate(self.chosen, start=1)}

    @property
    def classes(self) -> list[str]:
        return [BACKGROUND, *(category.name for category in self.chosen)]

    def labels_text(self) -> bytes:
        return labels_text(self.classes)

    def records(self) -> list[dict[str, Any]]:
        """The value of ``categories`` in the remapped file."""
        return [
            {
                "id": label,
                "name": category.name,
                "supercategory": category.supercategory,
                "original_id": category.original_id,
                **category.more,
            }
            for label, category in enumerate(self.chosen, start=1)
        ]

    def document(self, source: str) -> dict[str, Any]:
        """What ``category_map.json`` holds."""
        rows = [
            {
                "label": label,
                "name": category.name,
                "supercategory": category.supercategory,
                "original_id": category.original_id,
            }
            for label, category in enumerate(self.chosen, start=1)
        ]
        return {"schema": CATEGORY_MAP_SCHEMA, "source": source, "classes": self.classes, "categories": rows}

    def document_text(self, source: str) -> bytes:
        return (
            json.dumps(self.document(source), indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        )


def read_categories(file: AnnotationFile, items: Iterable[Any] | None = None) -> tuple[Category, ...]:
    """The categories of ``file`` (or ``items``, its list of them) by rising id.

    Any fault is an AnnotationError: without them nothing has a class.
    """
    found: dict[int, Category] = {}
    originals: set[int] = set()
    names: set[str] = set()
    for index, raw in enumerate(file.items("categories") if items is None else items):
        category = _category(file, raw, f"categories[{index}]")
        if category.id in found or category.original_id in originals:
            raise _fault(file, f"categories[{index}].id", f"{category.id} comes twice")
        if unicodedata.normalize("NFC", category.name) in names:
            raise _fault(file, f"categories[{index}].name", f"{category.name!r} comes twice")
        found[category.id] = category
        originals.add(category.original_id)
        names.add(unicodedata.normalize("NFC", category.name))
    if not found:
        raise _fault(file, "categories", "the list is empty")
    return tuple(found[key] for key in sorted(found))


def choose(file: AnnotationFile, categories: Sequence[Category], wanted: Iterable[str] | None) -> CategoryMap:
    """The map for all categories, or for those named in ``wanted``. Raises AnnotationError for unknown names."""
    known = {category.id: category for category in categories}
    if wanted is None:
        return CategoryMap(tuple(categories), known)
    names = {category.name for category in categories}
    asked = [name.strip() for name in wanted if name.strip()]
    for name in asked:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=3)
            hint = (
                f"did you mean {', '.join(comma_joined([each]) for each in close)}?"
                if close
                else f"it has {counted(len(names), 'other')}"
            )
            raise NoSuchClass(str(_fault(file, "categories", f"there is no class {name!r}; {hint}")))
    if not asked:
        raise NoSuchClass(str(_fault(file, "categories", "no class was chosen")))
    return CategoryMap(tuple(category for category in categories if category.name in asked), known)


def check_agrees(
    file: AnnotationFile, categories: Iterable[Category], map_: CategoryMap, source: str
) -> None:
    """Another split must mean the same thing by the same id; it may list fewer categories, in any order."""
    for category in categories:
        first = map_.known.get(category.id)
        if first is None:
            problem = f"id {category.id} ({category.name!r}) is not in {source}"
        elif first.name != category.name:
            problem = f"id {category.id} is {category.name!r} here and {first.name!r} in {source}"
        elif first.original_id != category.original_id:
            problem = f"id {category.id} was {category.original_id} here and {first.original_id} in {source}"
        else:
            continue
        raise _fault(file, "categories", problem)


def _category(file: AnnotationFile, raw: Any, place: str) -> Category:
    if not isinstance(raw, dict):
        raise _fault(file, place, "expected an object with id and name")
    row = {"original_id": raw.get("id"), **raw}
    row |= {key: whole(row[key]) for key in ("id", "original_id") if key in row}
    for key, look in (("id", id_problem), ("name", _name_problem), ("original_id", id_problem)):
        problem = look(row.get(key))
        if problem:
            raise _fault(file, f"{place}.{key}", problem)
    above = row.get("supercategory")
    known = ("id", "name", "supercategory", "original_id")
    more = {key: value for key, value in raw.items() if key not in known}
    return Category(row["id"], row["name"], above if isinstance(above, str) else "", row["original_id"], more)


def _name_problem(name: Any) -> str | None:
    """A name is one line of ``labels.txt``: no blanks around it, nothing that ends a line, not BACKGROUND."""
    if not isinstance(name, str):
        return "missing" if name is None else f"expected a text, found {type(name).__name__}"
    if not name or name != name.strip() or not name.isprintable():
        return f"{name[:40]!r} cannot be a line of labels.txt (empty, blanks around it, or unprintable)"
    if name.upper() == BACKGROUND:
        return f"{name!r} is the name of line 0 of labels.txt"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"longer than {MAX_NAME_BYTES} bytes"
    return None


def _fault(file: AnnotationFile, place: str, problem: str) -> AnnotationError:
    section = file.sections.get("categories")
    return file.error(section.start if section else 0, place, problem)


def given_map(file: AnnotationFile, categories: Iterable[Category], path: Path) -> CategoryMap:
    """The labels of the map at ``path`` for the categories of ``file``, matched by original id.

    Categories that are not in the map were not chosen, then. Raises AnnotationError where an id or a name means
    something else in the file than in the map, and StageError for a map that cannot be read.
    """
    categories = tuple(categories)
    by_original = {category.original_id: category for category in categories}
    by_name = {category.name: category for category in categories}
    chosen = []
    for label, (original_id, name, above) in enumerate(read_rows(path), start=1):
        here, namesake = by_original.get(original_id), by_name.get(name)
        for other in (here, namesake):
            if other is not None and (other.original_id, other.name) != (original_id, name):
                found = (
                    f"id {other.original_id} is {other.name!r} here, id {original_id} is {name!r} in {path}"
                )
                raise file.error(file.part("categories").start, "categories", found)
        # no annotation can have the negative id
        chosen.append(here or Category(-label, name, above, original_id))
    return CategoryMap(tuple(chosen), {category.id: category for category in categories})


def read_rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Original id, name and group by rising label. Raises StageError for what is not a category map of ours."""
    try:
        found = read_json(path)
        rows = _checked(found)
    except (OSError, RecordError, KeyError, TypeError, ValueError) as error:
        raise StageError(
            f"{path} is not a category map",
            in_words(error),
            "give the file OUTPUT.category_map.json of an earlier remap, or category_map.json of a data folder",
        ) from error
    return iter(rows)


def _checked(found: dict[str, Any]) -> list[tuple[int, str, str]]:
    if found["schema"] != CATEGORY_MAP_SCHEMA:
        raise ValueError(f"expected schema {CATEGORY_MAP_SCHEMA}, found {found['schema']!r}")
    rows = [(row["original_id"], row["name"], row["supercategory"]) for row in found["categories"]]
    if [row["label"] for row in found["categories"]] != list(range(1, len(rows) + 1)) or not rows:
        raise ValueError("expected the labels 1, 2, 3, … in order")
    if found["classes"] != [BACKGROUND, *(name for _, name, _ in rows)]:
        raise ValueError("classes and categories do not agree")
    ids, names = {id_ for id_, _, _ in rows}, {name for _, name, _ in rows}
    if not all(type(id_) is int for id_ in ids) or len(ids) < len(rows) or len(names) < len(rows):
        raise ValueError("ids and names must be whole numbers and texts, each of them once")
    return rows
