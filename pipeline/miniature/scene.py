"""One rendered image of the miniature release: background, objects, crowd, and what COCO would note of them.

Legend: H × W pixels; a mask is (H, W) bool; boxes are COCO's ``[x, y, width, height]`` in pixels.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

from pipeline.miniature.shapes import SHAPES, Points, Shape

PHOTOGRAPHS = ("coffee", "chelsea", "brick", "grass", "gravel", "rocket", "immunohistochemistry", "moon")
"""Images that ship inside scikit-image: texture with nothing of the eight categories in it."""
SIDES_PX = (240, 400)
OBJECTS = (1, 4)
SIZE_SHARE = (0.22, 0.6)
"""An object's longer side as a share of the image's shorter side."""
MAX_HIDDEN = 0.35
"""No object hides more than this share of another: what is left can still be named."""
MIN_PART_PX2 = 20
EMPTY_SHARE, CROWD_SHARE, GREY_SHARE = 0.03, 0.05, 0.01
TRIES = 30
SUBPIXEL_BITS = 4


@dataclass(frozen=True, slots=True)
class Scene:
    """image: (H, W, 3) uint8 RGB; grey: to be stored with one channel; things: COCO annotations without ids."""

    image: np.ndarray
    grey: bool
    things: list[dict[str, Any]]


@dataclass(slots=True)
class _Placed:
    shape: Shape
    mask: np.ndarray
    visible: np.ndarray


def render(rng: np.random.Generator) -> Scene:
    """Draws one image; everything random comes from ``rng``."""
    height, width = (int(side) for side in rng.integers(SIDES_PX[0], SIDES_PX[1], size=2, endpoint=True))
    image = _background(rng, height, width)
    grey = bool(rng.random() < GREY_SHARE)
    if rng.random() < EMPTY_SHARE:
        return Scene(_finish(rng, image), grey, [])
    placed: list[_Placed] = []
    crowd = _paint_crowd(rng, image) if rng.random() < CROWD_SHARE else None
    for _ in range(int(rng.integers(*OBJECTS, endpoint=True))):
        _place(rng, image, placed, None if crowd is None else crowd[1])
    things = [_instance(one) for one in placed]
    if crowd is not None:
        things.append(_crowd_annotation(*crowd))
    return Scene(_finish(rng, image), grey, things)


def _place(
    rng: np.random.Generator, image: np.ndarray, placed: list[_Placed], crowd: np.ndarray | None
) -> None:
    """Tries a few positions for one more object; gives up when it would hide too much of what is there."""
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    for _ in range(TRIES):
        frame = _random_frame(rng, shape, image.shape[0], image.shape[1], SIZE_SHARE)
        mask = _fill(frame(shape.outline), image.shape[:2]) > 127
        if mask.sum() < MIN_PART_PX2 or (crowd is not None and (mask & crowd).any()):
            continue
        if any((one.visible & ~mask).sum() < (1 - MAX_HIDDEN) * one.mask.sum() for one in placed):
            continue
        for one in placed:
            one.visible = one.visible & ~mask
        _paint(rng, image, shape, frame)
        placed.append(_Placed(shape, mask, mask))
        return


def _random_frame(
    rng: np.random.Generator, shape: Shape, height: int, width: int, share: tuple[float, float]
) -> _Frame:
    longer = rng.uniform(*share) * min(height, width)
    aspect = rng.uniform(*shape.aspect)
    size = np.array([longer * min(1, aspect), longer / max(1, aspect)])
    room = np.array([width, height]) - size
    centre = size / 2 + rng.random(2) * room
    return _Frame(centre, size / 2, np.radians(rng.uniform(-shape.tilt, shape.tilt)))


@dataclass(frozen=True, slots=True)
class _Frame:
    """Placement of an object: own coordinates (−1..1) → pixels."""

    centre: np.ndarray
    half: np.ndarray
    angle: float

    def __call__(self, points: Points) -> np.ndarray:
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return points * self.half @ np.array([[cos, sin], [-sin, cos]]) + self.centre


def _paint(rng: np.random.Generator, image: np.ndarray, shape: Shape, frame: _Frame) -> None:
    hue = (shape.hue + rng.uniform(-shape.hue_spread, shape.hue_spread)) % 360 / 360
    body = np.array(colorsys.hsv_to_rgb(hue, rng.uniform(*shape.saturation), rng.uniform(*shape.value))) * 255
    _blend(image, _fill(frame(shape.outline), image.shape[:2]), body * _shading(rng, image.shape[:2]))
    for marking in shape.markings:
        _blend(image, _fill(frame(marking.outline), image.shape[:2]), np.array(marking.rgb, dtype=np.float64))


def _shading(rng: np.random.Generator, hw: tuple[int, ...]) -> np.ndarray:
    """(H, W, 1) light that falls off in one direction, about 0.8..1.1."""
    rows = np.linspace(-0.5, 0.5, hw[0])[:, None, None]
    columns = np.linspace(-0.5, 0.5, hw[1])[None, :, None]
    angle = rng.uniform(0, 2 * np.pi)
    return 0.95 + 0.3 * (np.cos(angle) * columns + np.sin(angle) * rows)


def _blend(image: np.ndarray, coverage: np.ndarray, colour: np.ndarray) -> None:
    """Paints ``colour`` (3,) or (H, W, 3) over ``image`` where ``coverage`` is, inside its bounds only."""
    x, y, width, height = cv2.boundingRect(coverage)
    part = np.s_[y : y + height, x : x + width]
    alpha = coverage[part][..., None] / 255.0
    ink = colour[part] if colour.ndim == 3 else colour
    image[part] = np.clip(image[part] * (1 - alpha) + ink * alpha, 0, 255)


def _fill(points_px: np.ndarray, hw: tuple[int, ...]) -> np.ndarray:
    """(V, 2) corners in px → (H, W) uint8 coverage 0..255, with soft edges."""
    coverage = np.zeros(hw, dtype=np.uint8)
    fixed = np.round((points_px - 0.5) * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(coverage, [fixed], (255,), cv2.LINE_AA, SUBPIXEL_BITS)
    return coverage


def _background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(H, W, 3) float64: a piece of a photograph, flipped and tinted, 0..255."""
    photograph = _photograph(PHOTOGRAPHS[int(rng.integers(len(PHOTOGRAPHS)))])
    zoom = rng.uniform(0.5, 1.0)
    rows, columns = (max(8, int(zoom * side)) for side in photograph.shape[:2])
    top = int(rng.integers(photograph.shape[0] - rows + 1))
    left = int(rng.integers(photograph.shape[1] - columns + 1))
    piece = photograph[top : top + rows, left : left + columns]
    piece = piece[:, :: int(rng.choice((-1, 1)))]
    scaled = cv2.resize(np.ascontiguousarray(piece), (width, height), interpolation=cv2.INTER_LINEAR)
    tint = rng.uniform(0.75, 1.05, size=3)
    return np.clip(scaled * tint * rng.uniform(0.55, 1.0), 0, 255)


@cache
def _photograph(name: str) -> np.ndarray:
    import skimage.data  # here: only this function needs it, and the import takes a while

    image = np.asarray(getattr(skimage.data, name)())
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    return np.ascontiguousarray(image[..., :3], dtype=np.uint8)


def _finish(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Sensor noise, then 8 bits."""
    noise = rng.standard_normal(size=image.shape, dtype=np.float32) * rng.uniform(0, 6)
    return np.clip(np.round(image + noise), 0, 255).astype(np.uint8)


def _paint_crowd(rng: np.random.Generator, image: np.ndarray) -> tuple[Shape, np.ndarray]:
    """A heap of small objects of one category, as COCO's crowds are; returns the shape and the heap's mask."""
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    height, width = image.shape[:2]
    mask = np.zeros((height, width), dtype=bool)
    heap = rng.uniform(0.25, 0.75, size=2) * (width, height)
    for _ in range(10):
        frame = _random_frame(rng, shape, height, width, (0.08, 0.12))
        near = heap + rng.normal(0, 0.08, size=2) * min(height, width)
        frame = _Frame(
            np.clip(near, 0.1 * min(height, width), (0.9 * width, 0.9 * height)), frame.half, frame.angle
        )
        _paint(rng, image, shape, frame)
        mask |= _fill(frame(shape.outline), image.shape[:2]) > 127
    return shape, mask


def _instance(one: _Placed) -> dict[str, Any]:
    """An annotation with polygons around what can be seen."""
    contours, _ = cv2.findContours(one.visible.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    polygons = [contour.reshape(-1).astype(float).tolist() for contour in contours if len(contour) >= 3]
    return _annotation(one.shape, one.visible, polygons, crowd=0)


def _crowd_annotation(shape: Shape, mask: np.ndarray) -> dict[str, Any]:
    """An annotation with run lengths, the form COCO keeps for crowds."""
    return _annotation(shape, mask, {"counts": run_lengths(mask), "size": list(mask.shape)}, crowd=1)


def _annotation(shape: Shape, mask: np.ndarray, segmentation: Any, crowd: int) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = float(columns[0]), float(rows[0])
    return {
        "segmentation": segmentation,
        "area": float(mask.sum()),
        "iscrowd": crowd,
        "bbox": [x, y, float(columns[-1] + 1) - x, float(rows[-1] + 1) - y],
        "category_id": shape.category_id,
    }


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed RLE of an (H, W) mask: column by column, lengths of runs, the first one of zeros."""
    flat = np.concatenate([[0], mask.T.reshape(-1).astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(flat))
    ends = np.concatenate([[0], edges, [mask.size]])
    lengths = np.diff(ends).tolist()
    return lengths if lengths[-1] else lengths[:-1]
