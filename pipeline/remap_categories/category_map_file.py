"""Reads a ``category_map.json`` back: labels of an earlier remap (of train) that hold for another file (val), too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.annotations.reader import AnnotationFile
from pipeline.remap_categories.category_map import BACKGROUND, CATEGORY_MAP_SCHEMA, Category, CategoryMap
from pipeline.stage import StageError
from vision.artefacts.records import RecordError, read_json
from vision.messages.system_errors import in_words


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
    """Original id, name and group by rising label. Raises StageError for what is no category map of ours."""
    try:
        found = read_json(path)
        rows = _checked(found)
    except (OSError, RecordError, KeyError, TypeError, ValueError) as error:
        raise StageError(
            f"{path} is no category map",
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
