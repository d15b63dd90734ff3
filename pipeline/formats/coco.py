"""COCO JSON of any tool, anywhere: Roboflow's, CVAT's and Label Studio's exports, COCO's own.

``--source`` is the JSON file, or a folder: then ``instances_*.json`` below it, or else every ``*.json`` that has ``images``
and ``categories``. A split is what its file name, or else its folder, says (``instances_val2017``, ``valid/``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.annotations.reader import AnnotationError, AnnotationFile
from pipeline.annotations.rules import shown as shown_value
from pipeline.annotations.rules import whole
from pipeline.formats.contract import Foreign, ForeignBox, ForeignImage, Problem, Source, split_of
from pipeline.formats.image_files import ImageFiles, files_below
from pipeline.stop import StageError, Stop
from vision.messages.advice import shown
from vision.messages.command_line import listed
from vision.messages.system_errors import in_words, instead_of

OURS = (".remapped.json", "category_map.json")


@dataclass(slots=True)
class Document:
    """One annotation file: what it names, and its boxes by image id in the order of the file."""

    path: Path
    split: str | None
    categories: dict[Any, tuple[str, str]] = field(default_factory=dict)
    images: list[Any] = field(default_factory=list)
    boxes: dict[Any, list[tuple[int, dict[str, Any]]]] = field(default_factory=lambda: defaultdict(list))
    orphans: list[Problem] = field(default_factory=list)
    used: Counter[Any] = field(default_factory=Counter)
    shapes: int = 0


def read(source: Source) -> Foreign:
    """Opens and reads the JSON; images come file by file, in their order. Raises StageError where there is none to be used."""
    documents = [document for path in _files(source.path) if (document := _document(path, source.stop))]
    if not documents:
        raise StageError(
            f"there is no COCO JSON in {shown(source.path)}",
            "no *.json there has images and categories",
            "name the JSON file itself, or the folder that holds it",
        )
    root = source.path if source.path.is_dir() else source.path.parent
    left_out = _unused_parents(documents)
    classes = [
        name
        for document in documents
        for id_, (name, _) in sorted(document.categories.items(), key=lambda item: item[0])
        if name not in left_out
    ]

    def notes() -> list[str]:
        lines = [
            f"category {name!r} is only the supercategory of others and has no box: it is left out"
            for name in sorted(left_out)
        ]
        shapes = sum(document.shapes for document in documents)
        return lines + (
            [f"outlines (segmentation): {shapes:,}; their boxes are used, and their areas"] if shapes else []
        )

    images = (image for document in documents for image in _images(document, source, root))
    return Foreign(
        tuple(dict.fromkeys(classes)), images, notes,
        lambda: [orphan for document in documents for orphan in document.orphans],
    )  # fmt: skip


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise StageError(instead_of("folder", path), "COCO is a JSON file, or its folder", "check the path")
    every = sorted(
        each
        for each in files_below(path)
        if each.suffix == ".json" and not each.name.endswith(OURS) and each.is_file()
    )
    return [each for each in every if each.name.startswith("instances_")] or every


def _document(path: Path, stop: Stop) -> Document | None:
    """None for JSON of another kind."""
    document = Document(path, split_of(path.stem) or split_of(path.parent.name))
    seen = set()
    try:
        with AnnotationFile(path, stop) as file:
            for part in file.walk():
                seen.add(part.key)
                if part.key in ("images", "annotations", "categories"):
                    part.expect_list()
                    _take(document, part.key, part)
    except (AnnotationError, OSError) as error:
        raise StageError(
            f"{shown(path)} cannot be read", in_words(error), "repair the file, or export it again"
        ) from None
    return document if {"images", "categories"} <= seen else None


def _take(document: Document, key: str, items: Iterable[Any]) -> None:
    for index, raw in enumerate(items):
        where = f"{document.path.name}: {key}[{index}]"
        if key == "images":
            document.images.append(raw)
        elif not isinstance(raw, dict):
            document.orphans += (
                [Problem("not_an_object", f"found {shown_value(raw)}", where)] if key == "annotations" else []
            )
        elif key == "annotations":
            id_ = whole(raw.get("image_id"))
            if type(id_) is not int:
                document.orphans.append(Problem("bad_image_id", f"image_id: found {shown_value(id_)}", where))
                continue
            slim = {name: raw.get(name) for name in ("bbox", "category_id", "iscrowd", "area")}
            document.shapes += bool(raw.get("segmentation"))
            document.boxes[id_].append((index, slim))
            category = whole(raw.get("category_id"))
            if isinstance(category, int):
                document.used[category] += 1
        elif (
            type(id_ := whole(raw.get("id"))) is int
            and isinstance(name := raw.get("name"), str)
            and name.strip()
        ):
            document.categories[id_] = (name, str(raw.get("supercategory") or ""))
        else:
            raise AnnotationError(
                f"{where}: a category takes a whole id and a name, found {shown_value(raw)}"
            )


def _unused_parents(documents: list[Document]) -> set[str]:
    """Names of categories without a box that others give as their supercategory: Roboflow's category 0."""
    parents = {
        parent for document in documents for name, parent in document.categories.values() if parent != name
    }
    used = {
        document.categories[id_][0]
        for document in documents
        for id_ in document.used
        if id_ in document.categories
    }
    every = {name for document in documents for name, _ in document.categories.values()}
    return every & parents - used


def _images(document: Document, source: Source, root: Path) -> Iterator[ForeignImage]:
    folders = [source.images] if source.images else []
    beside = document.path.parent
    folders += [
        beside.parent / f"{document.path.stem.removeprefix('instances_')}",
        beside / "images",
        beside,
        root,
    ]
    files = ImageFiles(list(dict.fromkeys(folders)))
    known: set[int] = set()
    for index, raw in enumerate(document.images):
        source.stop.check()
        yield _image(document, files, raw, f"{document.path.name}: images[{index}]", known)
    for id_ in document.boxes.keys() - known:
        document.orphans += [
            Problem(
                "unknown_image",
                f"image_id {id_} is no image of the file",
                f"{document.path.name}: annotations[{index}]",
            )
            for index, _ in document.boxes[id_]
        ]


def _image(document: Document, files: ImageFiles, raw: Any, where: str, known: set[int]) -> ForeignImage:
    if not isinstance(raw, dict):
        return ForeignImage(
            None, "", document.split, None, fault=Problem("not_an_object", f"found {shown_value(raw)}", where)
        )
    name, id_ = raw.get("file_name"), whole(raw.get("id"))
    text = name if isinstance(name, str) else ""
    if type(id_) is not int or id_ in known:
        what = "bad_id" if type(id_) is not int else "duplicate_id"
        return ForeignImage(
            None, text, document.split, None, fault=Problem(what, f"id: found {shown_value(id_)}", where)
        )
    known.add(id_)
    boxes: list[ForeignBox] = []
    problems: list[Problem] = []
    for index, annotation in document.boxes.get(id_, ()):
        made = _box(document, annotation, f"{document.path.name}: annotations[{index}]")
        if isinstance(made, ForeignBox):
            boxes.append(made)
        else:
            problems.append(made)
    found = files.find(text)
    path = None if isinstance(found, Problem) else found
    return ForeignImage(
        path, text if path is None else files.name_of(path), document.split, _hw(raw), tuple(boxes), tuple(problems),
        found if isinstance(found, Problem) else None, where,
    )  # fmt: skip


def _hw(raw: dict[str, Any]) -> tuple[int, int] | None:
    height, width = whole(raw.get("height")), whole(raw.get("width"))
    return (height, width) if type(height) is int and type(width) is int and min(height, width) > 0 else None


def _box(document: Document, raw: dict[str, Any], where: str) -> ForeignBox | Problem:
    category, box, crowd = whole(raw["category_id"]), raw["bbox"], whole(raw["iscrowd"] or 0)
    if type(category) is not int or category not in document.categories:
        known = listed([str(id_) for id_ in sorted(document.categories)], 5)
        return Problem("unknown_category", f"category_id {shown_value(category)}: there is {known}", where)
    numbers = isinstance(box, list) and len(box) == 4 and all(type(side) in (int, float) for side in box)
    if not numbers:
        return Problem("bad_box", f"bbox: expected [x, y, width, height], found {shown_value(box)}", where)
    if crowd not in (0, 1):
        return Problem("bad_iscrowd", f"iscrowd: expected 0 or 1, found {shown_value(crowd)}", where)
    x, y, width, height = map(float, box)
    if width < 0 or height < 0:
        return Problem("negative_box", f"bbox: width {width:g}, height {height:g}", where)
    area = raw["area"]
    area = float(area) if type(area) in (int, float) and area > 0 else None
    return ForeignBox(
        document.categories[category][0], (x, y, x + width, y + height), bool(crowd), False, where, area
    )
