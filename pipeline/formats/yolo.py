"""YOLO: a text file an image, rows ``class cx cy w h`` as fractions of the image; outlines (``class x y x y …``) become their box.

Ultralytics and Roboflow (``data.yaml``), CVAT's YOLO 1.1 (``obj.names``), darknet (labels beside the images). An image without
a label file has no object. x0 = (cx − w/2) · W, x1 = (cx + w/2) · W; the same with H.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pipeline.formats.contract import Foreign, ForeignBox, ForeignImage, Problem, Source, hull
from pipeline.formats.documents import Unreadable, number, read_text
from pipeline.formats.yolo_layout import Entry, Layout, entries, find_layout, label_file
from vision.images.formats import BadImage
from vision.messages.advice import shown
from vision.messages.command_line import shortened

BEYOND_PX = 1.5
"""How far a fraction below 0 or above 1 may lead out of the image: rounding. More, and they are no fractions."""


def read(source: Source) -> Foreign:
    """Raises StageError where classes or folders are not said."""
    layout = find_layout(source.path, source.images)
    unlabelled: list[str] = []

    def images() -> Iterator[ForeignImage]:
        for split, place in layout.parts:
            for entry in entries(place, layout.root):
                source.stop.check()
                yield _image(source, layout, split, entry, unlabelled)

    def notes() -> list[str]:
        if not unlabelled:
            return layout.notes
        return [
            *layout.notes,
            f"images without a label file, which are taken as without objects: {len(unlabelled):,}, such as {shown(unlabelled[0])!r}",
        ]

    return Foreign(layout.names, images(), notes)


def _image(
    source: Source, layout: Layout, split: str | None, entry: Entry, unlabelled: list[str]
) -> ForeignImage:
    image = ForeignImage(entry.path, entry.name, split, None, fault=entry.fault)
    if entry.path is None:
        return image
    labels = label_file(entry.path)
    try:
        hw: tuple[int, int] | None = source.size_of(entry.path)
    except BadImage as error:
        code, _, words = error.reason.partition(": ")
        image = replace(image, fault=Problem(code, words or "no image that can be used", entry.name))
        hw = None
    try:
        rows = read_text(labels, empty=True).split("\n")
    except Unreadable as error:
        if error.reason != "missing_file":
            return replace(image, fault=Problem(error.reason, error.detail, labels.name))
        unlabelled.append(entry.name)
        rows = []
    boxes, problems = [], []
    for line, row in enumerate(rows, 1):
        where = f"{labels.name}: line {line}"
        try:
            if row.strip():
                boxes.append(_box(row, layout, hw or (1, 1), where))
        except Unreadable as error:
            problems.append(Problem(error.reason, error.detail, where))
    return replace(image, hw=hw, boxes=tuple(boxes), problems=tuple(problems), where=labels.name)


def _box(row: str, layout: Layout, hw: tuple[int, int], where: str) -> ForeignBox:
    words = row.split()
    class_ = number(words[0], "class")
    if not class_.is_integer() or not 0 <= class_ < len(layout.names):
        raise Unreadable(
            "class_out_of_range", f"class {shortened(shown(words[0]))}: there is 0 to {len(layout.names) - 1}"
        )
    values = [number(word, "coordinate") for word in (words[1:5] if layout.keypoints else words[1:])]
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise Unreadable(
            "bad_row", f"{len(words)} values: expected class cx cy w h, or class and three or more points"
        )
    height, width = hw
    beyond = (BEYOND_PX / width, BEYOND_PX / height)
    if any(not -beyond[at % 2] <= value <= 1 + beyond[at % 2] for at, value in enumerate(values)):
        raise Unreadable("out_of_range", f"{shortened(row.strip())}: expected fractions of the image, 0 to 1")
    if len(values) == 4:
        cx, cy, w, h = values
        x0, y0, x1, y1 = cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2
    else:
        x0, y0, x1, y1 = hull(zip(values[::2], values[1::2], strict=True))
    return ForeignBox(
        layout.names[int(class_)], (x0 * width, y0 * height, x1 * width, y1 * height), where=where
    )
