"""Boxes with names on an image: legible on 300 px and on 12 megapixels, on light and on dark ground.

Names are placed one after another, the most important first, where they hide none that is placed already and do not leave the
image. Where there is no such place the score is left off, then the name: the box has the colour of its class all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from vision.drawing.palette import RGB, colour, ink_on
from vision.drawing.text import Line, text_px

Corners = tuple[float, float, float, float]


class Mark(NamedTuple):
    """A box to be drawn: corners (x1, y1, x2, y2) in px, its colour, and what is written to it, at length and in short."""

    box_xyxy_px: Sequence[float]
    colour: RGB
    text: str = ""
    short: str = ""


def draw_boxes(
    image: np.ndarray,
    boxes_xyxy_px: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    scores: np.ndarray | None = None,
) -> np.ndarray:
    """A copy of the (H, W, 3) uint8 RGB image with (D, 4) boxes in px, named by class and, where there are ``scores`` (D,), those.

    The most likely, and without scores the smallest, lie on top and are named first.
    """
    return draw_marks(image, marks_of(boxes_xyxy_px, labels, classes, scores))


def marks_of(
    boxes_xyxy_px: np.ndarray, labels: np.ndarray, classes: Sequence[str], scores: np.ndarray | None = None
) -> list[Mark]:
    """What ``draw_boxes`` draws, in its order."""
    boxes = np.asarray(boxes_xyxy_px, np.float64).reshape(-1, 4)
    rank = -scores if scores is not None else np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    marks = []
    for index in np.argsort(rank, kind="stable").tolist():
        label = int(labels[index])
        name = classes[label]
        text = name if scores is None else f"{name} {float(scores[index]):.2f}"
        marks.append(Mark(boxes[index].tolist(), colour(label), text, name))
    return marks


def draw_marks(image: np.ndarray, marks: Sequence[Mark]) -> np.ndarray:
    """A copy of the (H, W, 3) uint8 RGB image with ``marks``, the first on top and named first. Boxes that leave the image are
    drawn along its edge; those that are not finite or do not touch it are left out."""
    drawn = Image.fromarray(np.ascontiguousarray(image))
    pen = ImageDraw.Draw(drawn)
    kept = [(mark, box) for mark in marks if (box := _within(mark.box_xyxy_px, *drawn.size)) is not None]
    thick = line_px(*drawn.size)
    for mark, box in reversed(kept):
        outline(pen, box, mark.colour, thick)
    placed = np.zeros((0, 4))
    for mark, box in kept:
        placed = _write(pen, mark, box, placed, drawn.size)
    return np.asarray(drawn)


def line_px(width: int, height: int) -> int:
    """Thickness of a box's line on an image of that size."""
    return max(2, round(max(width, height) / 320))


def outline(pen: ImageDraw.ImageDraw, box: Corners, ink: RGB, thick: int) -> None:
    """A rectangle whose line is inside of ``box``, with a thin one of black or white around it: it is seen on every ground."""
    x1, y1, x2, y2 = box
    edge = max(1, thick // 3)
    pen.rectangle((x1 - edge, y1 - edge, x2 + edge, y2 + edge), outline=ink_on(ink), width=edge)
    pen.rectangle(box, outline=ink, width=thick)


def _within(box: Sequence[float], width: int, height: int) -> Corners | None:
    """Whole px, on the image."""
    values = np.asarray(box, np.float64)
    if not np.isfinite(values).all():
        return None
    x1, y1, x2, y2 = values.round().tolist()
    if x2 < 0 or y2 < 0 or x1 >= width or y1 >= height:
        return None
    x1, y1 = max(0.0, x1), max(0.0, y1)
    return x1, y1, max(x1, min(x2, width - 1.0)), max(y1, min(y2, height - 1.0))


def _write(
    pen: ImageDraw.ImageDraw, mark: Mark, box: Corners, placed: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Writes what there is room for; returns the places that are taken."""
    letters = text_px(*size)
    pad = max(1, letters // 6)
    for text in dict.fromkeys(filter(None, (mark.text, mark.short))):
        line = Line(text, letters, size[0] - 2 * pad)
        width, height = line.width + 2 * pad, line.height
        for x, y in _places(box, width, height, size):
            area = (x, y, x + width, y + height)
            if not _hides(area, placed):
                pen.rectangle((x, y, x + width - 1, y + height - 1), fill=mark.colour)
                line.draw(pen, x + pad, y, ink_on(mark.colour))
                return np.vstack([placed, area])
    return placed


def _places(
    box: Corners, width: float, height: float, size: tuple[int, int]
) -> Iterator[tuple[float, float]]:
    """Upper left corners for a label, the best first: above the box, in it, below it, beside it; all on the image."""
    x1, y1, x2, y2 = box
    for x, y in (
        (x1, y1 - height), (x1, y1), (x2 - width, y1 - height), (x1, y2), (x1, y2 - height),
        (x2 - width, y1), (x2 - width, y2), (x2 - width, y2 - height), (x2, y1), (x1 - width, y1),
    ):  # fmt: skip
        yield max(0.0, min(x, size[0] - width)), max(0.0, min(y, size[1] - height))


def _hides(area: Corners, placed: np.ndarray) -> bool:
    x1, y1, x2, y2 = area
    across = (placed[:, 0] < x2) & (placed[:, 2] > x1)
    return bool((across & (placed[:, 1] < y2) & (placed[:, 3] > y1)).any())
