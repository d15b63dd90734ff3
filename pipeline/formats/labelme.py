"""LabelMe: a JSON file an image, with ``shapes``. Rectangles as they are (0-based continuous px), outlines become their box.

The image is what ``imagePath`` names, from the JSON file on, or the file of the same name; ``imageData`` is never decoded. A
split is what the folder is called (``train/``, ``val/``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.annotations.rules import MAX_COORDINATE, whole
from pipeline.annotations.rules import shown as shown_value
from pipeline.formats.contract import Foreign, ForeignBox, ForeignImage, Problem, Source, hull, split_of
from pipeline.formats.documents import Unreadable, read_bytes
from pipeline.formats.image_files import ImageFiles, files_below, is_there
from pipeline.stop import StageError
from vision.artefacts.records import RecordError, parse_json
from vision.images.formats import MAX_BYTES
from vision.messages.advice import shown
from vision.messages.command_line import shortened
from vision.messages.system_errors import instead_of

OUTLINES = ("polygon", "rectangle", "mask", "rotation")


def read(source: Source) -> Foreign:
    """Raises StageError where there is no JSON file at all."""
    root = source.path
    if not root.exists():
        raise StageError(instead_of("folder", root), "LabelMe is a folder with JSON files", "check the path")
    found = (
        [root]
        if root.is_file()
        else sorted(
            path for path in files_below(root) if path.suffix == ".json" and not path.name.startswith(".")
        )
    )
    if not found:
        raise StageError(
            f"there is no JSON file in {shown(root)}",
            "LabelMe writes one beside each image",
            "name the folder that holds them",
        )
    base = root if root.is_dir() else root.parent
    files = ImageFiles([source.images] if source.images else [base])
    others: list[str] = []

    def images() -> Iterator[ForeignImage]:
        named = set()
        for path in found:
            source.stop.check()
            image = _image(path, base, files)
            named.add(image.path)
            yield image
        others.extend(name for path, name in files.everything if path not in named)

    def notes() -> list[str]:
        return (
            [f"images without a JSON file, which are left out: {len(others):,}, such as {shown(others[0])!r}"]
            if others
            else []
        )

    return Foreign((), images(), notes)


def _image(path: Path, base: Path, files: ImageFiles) -> ForeignImage:
    below = path.relative_to(base)
    where = below.as_posix()
    split = split_of(below.parts[0]) if len(below.parts) > 1 else None
    try:
        value = parse_json(read_bytes(path, 2 * MAX_BYTES), where)
        shapes = value.get("shapes") if isinstance(value, dict) else None
        if not isinstance(shapes, list):
            raise Unreadable("bad_json", "expected an object with a list of shapes")
    except RecordError as error:
        return ForeignImage(None, where, split, None, fault=Problem("bad_json", str(error), where))
    except Unreadable as error:
        return ForeignImage(None, where, split, None, fault=Problem(error.reason, error.detail, where))
    boxes, problems = [], []
    for index, shape in enumerate(shapes):
        place = f"{where}: shapes[{index}]"
        try:
            boxes.append(_box(shape, place))
        except Unreadable as error:
            problems.append(Problem(error.reason, error.detail, place))
    image, name, fault = _file(path, value.get("imagePath"), files)
    height, width = whole(value.get("imageHeight")), whole(value.get("imageWidth"))
    stated = type(height) is int and type(width) is int and min(height, width) > 0
    return ForeignImage(
        image, name, split, (height, width) if stated else None, tuple(boxes), tuple(problems), fault, where
    )


def _file(path: Path, named: Any, files: ImageFiles) -> tuple[Path | None, str, Problem | None]:
    text = named if isinstance(named, str) else ""
    beside = ImageFiles([path.parent])
    for found in (
        _plain(beside, text),
        files.find(text) if text else None,
        beside.find_stem(path.stem),
        files.find_stem(path.stem),
    ):
        if isinstance(found, Path):
            return found, files.name_of(found), None
    return (
        None,
        text or path.name,
        Problem(
            "missing_image",
            f"imagePath {shown(shortened(text))!r} is no file, and none is called like {path.name}",
            path.name,
        ),
    )


def _plain(beside: ImageFiles, text: str) -> Path | None:
    """The file right beside the JSON file, which is what nearly all name."""
    base = text.replace("\\", "/").rpartition("/")[2]
    place = beside.folders[0] / base if base and beside.folders else None
    return place if place is not None and is_there(place, Path.is_file) else None


def _box(shape: Any, where: str) -> ForeignBox:
    if not isinstance(shape, dict):
        raise Unreadable("not_an_object", f"found {shown_value(shape)}")
    name, kind = shape.get("label"), shape.get("shape_type", "polygon")
    if not isinstance(name, str) or not name.strip():
        raise Unreadable("no_name", f"label: found {shown_value(name)}")
    points = shape.get("points")
    if not isinstance(points, list) or not all(
        isinstance(point, list)
        and len(point) == 2
        and all(type(side) in (int, float) and abs(side) < MAX_COORDINATE for side in point)
        for point in points
    ):
        raise Unreadable("bad_points", f"points: expected [[x, y], …], found {shown_value(points)}")
    if kind == "circle" and len(points) == 2:
        (cx, cy), radius = points[0], math.dist(*points)
        return ForeignBox(name, (cx - radius, cy - radius, cx + radius, cy + radius), where=where)
    if kind not in OUTLINES:
        raise Unreadable("unsupported_shape", f"shape_type {shown_value(kind)} has no box")
    if len(points) < 2:
        raise Unreadable("bad_points", f"points: {len(points)} of them make no box")
    x0, y0, x1, y1 = hull([(float(x), float(y)) for x, y in points])
    return ForeignBox(name, (x0, y0, x1, y1), where=where)
