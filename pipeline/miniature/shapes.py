"""The eight drawn categories of the miniature release: outlines, markings and colours.

A point is (x, y) in the object's own frame, −1..1, y downwards. Pairs of categories share a colour (stop sign and
apple, banana and kite, book and vase) and another pair shares its outline (apple and orange), so that neither
colour nor shape alone tells the classes apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Points = np.ndarray
"""(V, 2) float64 corners of a closed polygon, in the object's own frame."""


@dataclass(frozen=True, slots=True)
class Marking:
    """A polygon painted on top of the body, in a fixed RGB colour 0..255."""

    outline: Points
    rgb: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Shape:
    """How one category looks.

    * category_id: COCO's own, sparse
    * outline: the body; what the annotation's mask is made from
    * hue: centre of the body's hue in degrees; ``hue_spread`` either side
    * saturation, value: ranges, 0..1
    * aspect: range of width : height
    * tilt: largest rotation either way, degrees
    """

    category_id: int
    outline: Points
    hue: float
    hue_spread: float
    saturation: tuple[float, float]
    value: tuple[float, float]
    aspect: tuple[float, float]
    tilt: float
    markings: tuple[Marking, ...] = ()


def _arc(cx: float, cy: float, rx: float, ry: float, start: float, stop: float, steps: int) -> Points:
    angle = np.radians(np.linspace(start, stop, steps))
    return np.stack([cx + rx * np.cos(angle), cy + ry * np.sin(angle)], axis=1)


def _ellipse(cx: float, cy: float, rx: float, ry: float) -> Points:
    return _arc(cx, cy, rx, ry, 0, 350, 36)


def _regular(corners: int, turn: float) -> Points:
    return _arc(0, 0, 1, 1, turn, turn + 360 - 360 / corners, corners)


def _rectangle(x1: float, y1: float, x2: float, y2: float) -> Points:
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], dtype=np.float64)


def _crescent() -> Points:
    outer = _arc(0, -0.35, 1, 1.2, 0, 180, 24)
    inner = _arc(0, -0.35, 0.9, 0.55, 180, 0, 24)
    return np.concatenate([outer, inner])


def _vase() -> Points:
    right = np.array([(0.45, -1), (0.3, -0.75), (0.35, -0.5), (0.8, 0), (0.85, 0.4), (0.6, 0.85), (0.5, 1)])
    return np.concatenate([right, right[::-1] * (-1, 1)])


def _bear() -> Points:
    """A head with two ears, as one outline."""
    left_ear = _arc(-0.68, -0.66, 0.32, 0.32, 110, 340, 16)
    right_ear = _arc(0.68, -0.66, 0.32, 0.32, 200, 430, 16)
    face = _arc(0, 0.12, 0.94, 0.88, -30, 210, 36)
    return np.concatenate([left_ear, right_ear, face])


SHAPES: tuple[Shape, ...] = (
    Shape(
        13, _regular(8, 22.5), 358, 8, (0.75, 0.95), (0.7, 0.95), (0.9, 1.1), 10,
        (Marking(_rectangle(-0.62, -0.2, 0.62, 0.2), (245, 245, 245)),),
    ),
    Shape(38, _regular(4, 0), 52, 7, (0.7, 0.95), (0.85, 1.0), (0.6, 0.85), 25,
          (Marking(_rectangle(-0.05, -0.9, 0.05, 0.9), (60, 40, 40)),
           Marking(_rectangle(-0.9, -0.05, 0.9, 0.05), (60, 40, 40)))),
    Shape(52, _crescent(), 52, 7, (0.7, 0.95), (0.85, 1.0), (1.4, 1.9), 35),
    Shape(53, _ellipse(0, 0, 1, 1), 358, 8, (0.75, 0.95), (0.6, 0.9), (0.9, 1.1), 15,
          (Marking(_ellipse(0.15, -0.8, 0.3, 0.14), (60, 140, 50)),)),
    Shape(55, _ellipse(0, 0, 1, 1), 28, 6, (0.85, 1.0), (0.9, 1.0), (0.95, 1.05), 15),
    Shape(84, _rectangle(-1, -1, 1, 1), 215, 12, (0.65, 0.9), (0.5, 0.85), (0.65, 0.8), 15,
          (Marking(_rectangle(0.78, -0.94, 0.95, 0.94), (240, 235, 220)),)),
    Shape(86, _vase(), 215, 12, (0.65, 0.9), (0.5, 0.85), (0.55, 0.75), 8,
          (Marking(_rectangle(-0.7, 0.1, 0.7, 0.28), (225, 225, 235)),)),
    Shape(88, _bear(), 25, 8, (0.5, 0.7), (0.4, 0.6), (0.95, 1.15), 15,
          (Marking(_ellipse(-0.35, -0.1, 0.11, 0.11), (20, 20, 20)),
           Marking(_ellipse(0.35, -0.1, 0.11, 0.11), (20, 20, 20)),
           Marking(_ellipse(0, 0.45, 0.4, 0.28), (215, 190, 160)))),
)  # fmt: skip
