"""CVAT for images 1.1: ``annotations.xml`` and ``images/``. Boxes as they are (0-based continuous px); outlines become their box.

``<box>`` (also turned), ``<polygon>``, ``<ellipse>`` and ``<mask>`` have a box; other shapes are listed. Attributes, z_order and
labels of whole images are counted and left aside.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.formats.contract import Foreign, ForeignBox, ForeignImage, Problem, Source, hull, split_of
from pipeline.formats.documents import Unreadable, number, side, stream_xml
from pipeline.formats.image_files import ImageFiles
from pipeline.stop import StageError
from vision.messages.advice import shown
from vision.messages.command_line import listed, shortened
from vision.messages.system_errors import instead_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SHAPES = ("box", "polygon", "ellipse", "mask", "polyline", "points", "cuboid", "skeleton")


def read(source: Source) -> Foreign:
    """Raises StageError for a file that is no ``CVAT for images``; also while images are read, where it is damaged later on."""
    path = _file(source.path)
    classes = _labels(path, source)
    aside: Counter[str] = Counter()

    def notes() -> list[str]:
        return (
            [f"left aside: {listed([f'{count:,} {what}' for what, count in sorted(aside.items())])}"]
            if aside
            else []
        )

    return Foreign(classes, _images(path, source, aside), notes)


def _file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise StageError(
            instead_of("folder", path), "CVAT for images is annotations.xml, or its folder", "check the path"
        )
    found = [path / "annotations.xml"] if (path / "annotations.xml").is_file() else sorted(path.glob("*.xml"))
    if len(found) != 1:
        raise StageError(
            f"{shown(path)} has {len(found)} XML files",
            "CVAT for images has one, annotations.xml",
            "name that file itself",
        )
    return found[0]


def _damaged(path: Path, error: Unreadable) -> StageError:
    return StageError(
        f"{shown(path)} cannot be read ({error.reason})",
        error.detail,
        "export the task again as CVAT for images 1.1",
    )


def _events(path: Path, source: Source) -> Iterator[tuple[str, Element]]:
    try:
        yield from stream_xml(path, source.stop)
    except Unreadable as error:
        raise _damaged(path, error) from None


def _labels(path: Path, source: Source) -> tuple[str, ...]:
    """The names that ``<meta>`` states, in its order; () where it states none."""
    names: list[str] = []
    first = True
    for event, element in _events(path, source):
        if first and element.tag != "annotations":
            raise _damaged(
                path,
                Unreadable(
                    "bad_xml", f"expected <annotations> on top, found <{shortened(shown(element.tag))}>"
                ),
            )
        first = False
        if event == "start" and element.tag == "track":
            raise StageError(
                f"{shown(path)} is of a video",
                "its boxes are tracks and its frames are not files",
                "export the task as CVAT for images 1.1",
            )
        if event == "start" and element.tag == "image":
            break
        if event == "end" and element.tag == "label":
            name = (element.findtext("name") or "").strip()
            names += [name] if name else []
    return tuple(dict.fromkeys(names))


def _images(path: Path, source: Source, aside: Counter[str]) -> Iterator[ForeignImage]:
    files = ImageFiles([source.images] if source.images else [path.parent / "images", path.parent])
    top: Any = None
    index = 0
    for event, element in _events(path, source):
        top = element if top is None else top
        if event == "end" and element.tag == "image":
            yield _image(element, files, f"{path.name}: image {index}", aside)
            index += 1
            top.clear()  # what was read takes no memory


def _image(element: Element, files: ImageFiles, where: str, aside: Counter[str]) -> ForeignImage:
    name = element.get("name") or ""
    height, width = side(element.get("height")), side(element.get("width"))
    boxes, problems = [], []
    for number_, shape in enumerate(element):
        if shape.tag == "tag":
            aside["labels of whole images"] += 1
        if shape.tag not in SHAPES:
            continue
        aside.update(
            {
                "attributes": len(shape.findall("attribute")),
                "values of z_order": shape.get("z_order", "0") != "0",
            }
        )
        place = f"{where}: {shape.tag} {number_}"
        try:
            boxes.append(ForeignBox(_label(shape), _box(shape), where=place))
        except Unreadable as error:
            problems.append(Problem(error.reason, error.detail, place))
    for what in [what for what, count in aside.items() if not count]:
        del aside[what]
    found = files.find(name)
    fault = found if isinstance(found, Problem) else None
    path = None if isinstance(found, Problem) else found
    subset = element.get("subset") or ""
    return ForeignImage(
        path, files.name_of(path) if path else name, split_of(subset), (height, width) if height and width else None,
        tuple(boxes), tuple(problems), fault, where,
    )  # fmt: skip


def _label(shape: Element) -> str:
    name = (shape.get("label") or "").strip()
    if not name:
        raise Unreadable("no_name", f"a <{shape.tag}> without a label")
    return name


def _numbers(shape: Element, *names: str) -> list[float]:
    return [number(shape.get(name), name) for name in names]


def _box(shape: Element) -> tuple[float, float, float, float]:
    if shape.tag == "box":
        x0, y0, x1, y1 = _numbers(shape, "xtl", "ytl", "xbr", "ybr")
        turned = math.radians(number(shape.get("rotation", "0"), "rotation"))
        return _turned((x0, y0, x1, y1), turned) if turned else (x0, y0, x1, y1)
    if shape.tag == "ellipse":
        cx, cy, rx, ry = _numbers(shape, "cx", "cy", "rx", "ry")
        turned = math.radians(number(shape.get("rotation", "0"), "rotation"))
        half_w = math.hypot(rx * math.cos(turned), ry * math.sin(turned))
        half_h = math.hypot(rx * math.sin(turned), ry * math.cos(turned))
        return cx - half_w, cy - half_h, cx + half_w, cy + half_h
    if shape.tag == "mask":
        left, top, width, height = _numbers(shape, "left", "top", "width", "height")
        return left, top, left + width, top + height
    if shape.tag == "polygon":
        pairs = [pair.split(",") for pair in (shape.get("points") or "").split(";")]
        if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
            raise Unreadable(
                "bad_points",
                f"points: expected x,y;x,y;x,y …, found {shortened(shown(shape.get('points') or ''))!r}",
            )
        return hull((number(x, "points"), number(y, "points")) for x, y in pairs)
    raise Unreadable("unsupported_shape", f"a <{shape.tag}> has no box")


def _turned(box: tuple[float, float, float, float], angle: float) -> tuple[float, float, float, float]:
    """The box around ``box`` turned about its middle."""
    x0, y0, x1, y1 = box
    cx, cy, half_w, half_h = (x0 + x1) / 2, (y0 + y1) / 2, abs(x1 - x0) / 2, abs(y1 - y0) / 2
    w = half_w * abs(math.cos(angle)) + half_h * abs(math.sin(angle))
    h = half_w * abs(math.sin(angle)) + half_h * abs(math.cos(angle))
    return cx - w, cy - h, cx + w, cy + h
