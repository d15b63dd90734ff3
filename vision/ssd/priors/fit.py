"""Prior boxes fitted to the objects of a data set: the sizes and ratios of every map's shapes. numpy only.

Legend: N objects, A shapes of all maps together. The same objects and the same start give the same shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vision.ssd.priors.profiles import Shape

SIZES = ("small", "medium", "large")
SMALL_AREA_PX, LARGE_AREA_PX = 32**2, 96**2
"""COCO's bounds between them: area of the mask in the original image, px²."""
COVERED = 0.5
NO_USE, FULL_USE = 0.3, 0.6
"""Between these overlaps an object counts in part, so that shapes come near to objects that they do not cover yet and do not
end where a few objects are just covered: fitted to the bare share, they cover less of other images (docs/ssd.md)."""
FIRST_STEP, LAST_STEP = 0.25, 0.01
LEAST_SIDE = 1 / 256
LEAST_OF_A_CELL = 0.75
"""The least side of the square of a shape's area, in cells of its map: smaller boxes lie so far apart that they cover just those
objects that happen to be at their centres, and a map that coarse shows little of such objects."""
DECIMALS = 4
ROUNDS = 50

Maps = tuple[tuple[Shape, ...], ...]
"""The shapes of each map, finest first."""


@dataclass(frozen=True)
class Objects:
    """``boxes_xyxy`` (N, 4) as fractions of their images, each with an area above 0; ``area`` (N,) of the masks in px²."""

    boxes_xyxy: np.ndarray
    area: np.ndarray

    @classmethod
    def of(cls, images: Sequence[tuple[np.ndarray, np.ndarray]]) -> Objects:
        """Of (boxes, areas) of each image; boxes without an area are left out."""
        boxes = np.concatenate([np.zeros((0, 4)), *(np.asarray(one, np.float64) for one, _ in images)])
        area = np.concatenate([np.zeros(0), *(one for _, one in images)])
        whole = np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
        return cls(boxes[whole], area[whole])

    def __len__(self) -> int:
        return len(self.area)

    @cached_property
    def sides(self) -> np.ndarray:
        return self.boxes_xyxy[:, 2:] - self.boxes_xyxy[:, :2]

    @cached_property
    def size(self) -> np.ndarray:
        """(N,) index into ``SIZES``."""
        return np.digitize(self.area, [SMALL_AREA_PX, LARGE_AREA_PX])

    @cached_property
    def weight(self) -> np.ndarray:
        """(N,) so that all small ones together weigh as much as all medium and all large ones; the sum is 1."""
        counts = np.bincount(self.size, minlength=len(SIZES))
        return 1 / counts[self.size] / np.count_nonzero(counts)

    def from_cells(self, cells: tuple[int, int]) -> np.ndarray:
        """(N, 2): how far each centre is from that of the nearest cell of a map of (h, w) ``cells``, in x and y."""
        centres = (self.boxes_xyxy[:, :2] + self.boxes_xyxy[:, 2:]) / 2
        across = np.array(cells[::-1])
        nearest = (np.clip(np.floor(centres * across), 0, across - 1) + 0.5) / across
        return np.abs(centres - nearest)


def overlaps(objects: Objects, distances: np.ndarray, shape: Sequence[float]) -> np.ndarray:
    """(N,) IoU of each object with the prior of ``shape`` in its nearest cell, which is the best of that shape."""
    sides, prior = objects.sides, np.array(shape)
    ends = np.minimum(sides / 2, distances + prior / 2) - np.maximum(-sides / 2, distances - prior / 2)
    common = np.maximum(ends, 0).prod(axis=1)
    return common / (sides.prod(axis=1) + prior.prod() - common)


def best_overlaps(objects: Objects, cells: Sequence[tuple[int, int]], maps: Maps) -> np.ndarray:
    """(N,) IoU of each object with the best prior of all maps, of (h, w) ``cells`` each."""
    best = np.zeros(len(objects))
    for of_map, shapes in zip(cells, maps, strict=True):
        distances = objects.from_cells(of_map)
        for shape in shapes:
            np.maximum(best, overlaps(objects, distances, shape), out=best)
    return best


def shares(objects: Objects, best: np.ndarray) -> dict[str, float | None]:
    """Of the small, medium, large and all objects those with a prior of IoU ≥ 0.5; None where there is none of a size."""
    found: dict[str, float | None] = {}
    for number, name in enumerate(SIZES):
        own = best[objects.size == number]
        found[name] = float((own >= COVERED).mean()) if len(own) else None
    return {**found, "all": float((best >= COVERED).mean()) if len(best) else None}


def score(objects: Objects, best: np.ndarray) -> float:
    """What ``fit`` raises: 0 to 1, small, medium and large objects weighing the same."""
    return float(objects.weight @ np.clip((best - NO_USE) / (FULL_USE - NO_USE), 0, 1))


def fit(
    objects: Objects,
    cells: Sequence[tuple[int, int]],
    before: Maps,
    advance: Callable[[], None] = lambda: None,
) -> Maps:
    """As many shapes a cell as ``before`` has, of the highest ``score`` that a search finds.

    It begins twice, with ``before`` and with the centres of clusters of the objects, and keeps the better end; each
    shape's size and ratio are moved in turn, by steps from 28 % down to 1 %. ``advance`` is called after each shape.
    Shapes have four decimals, the sides of each are at most 1, and those of a map are sorted by area.
    """
    counts = [len(shapes) for shapes in before]
    starts = (before, _divided(_clusters(objects, sum(counts)), counts))
    of_shapes = np.repeat(np.array(cells), counts, axis=0)  # (A, 2)
    found = [_divided(_search(objects, of_shapes, _joined(start), advance), counts) for start in starts]
    rounded = [before, *map(_rounded, found)]
    return max(rounded, key=lambda maps: score(objects, best_overlaps(objects, cells, maps)))


def _search(
    objects: Objects, cells: np.ndarray, shapes: np.ndarray, advance: Callable[[], None]
) -> np.ndarray:
    """(A, 2) shapes on maps of (A, 2) ``cells`` → better ones, one after another, until no step makes any of them better."""
    least = LEAST_OF_A_CELL**2 / cells.prod(axis=1)
    shapes = np.clip(shapes * np.sqrt(np.maximum(least / shapes.prod(axis=1), 1))[:, None], LEAST_SIDE, 1)
    of_map = {one: objects.from_cells(one) for one in map(tuple, cells.tolist())}
    distances = [of_map[one] for one in map(tuple, cells.tolist())]
    found = np.stack([overlaps(objects, *one) for one in zip(distances, shapes.tolist(), strict=True)])
    reached, step = score(objects, found.max(axis=0)), FIRST_STEP
    while step > LAST_STEP:
        moves = [np.exp(step * np.array(move)) for move in ((1, 1), (-1, -1), (1, -1), (-1, 1))]
        moved = False
        for index in range(len(shapes)):
            others = np.delete(found, index, axis=0).max(axis=0, initial=0)
            for move in moves:
                tried = np.clip(shapes[index] * move, LEAST_SIDE, 1)
                if tried.prod() < least[index]:
                    continue
                own = overlaps(objects, distances[index], tried)
                now = score(objects, np.maximum(others, own))
                if now > reached + 1e-9:
                    shapes[index], found[index], reached, moved = tried, own, now, True
            advance()
        step = step if moved else step / 2
    return shapes


def _clusters(objects: Objects, count: int) -> np.ndarray:
    """(count, 2) sides of the centres of k-means by 1 − IoU (Redmon & Farhadi 2016, section 2), smallest area first."""
    sides, weight = objects.sides, objects.weight
    order = np.argsort(sides.prod(axis=1), kind="stable")
    along = np.searchsorted(np.cumsum(weight[order]), (np.arange(count) + 0.5) / count)
    centres = sides[order[np.minimum(along, len(order) - 1)]]
    nearest = np.full(len(sides), -1)
    for _ in range(ROUNDS):
        common = np.minimum(sides[:, None], centres).prod(axis=2)  # (N, count)
        union = sides.prod(axis=1)[:, None] + centres.prod(axis=1) - common
        was, nearest = nearest, (common / union).argmax(axis=1)
        if np.array_equal(was, nearest):
            break
        for index in np.unique(nearest):
            own = nearest == index
            centres[index] = np.average(sides[own], axis=0, weights=weight[own])
    return np.clip(centres[np.argsort(centres.prod(axis=1), kind="stable")], LEAST_SIDE, 1)


def _joined(maps: Maps) -> np.ndarray:
    """→ (A, 2)."""
    return np.array([shape for shapes in maps for shape in shapes], np.float64)


def _divided(shapes: np.ndarray, counts: Sequence[int]) -> Maps:
    """(A, 2) → the shapes of each map."""
    return tuple(tuple((w, h) for w, h in part.tolist()) for part in np.split(shapes, np.cumsum(counts)[:-1]))


def _rounded(maps: Maps) -> Maps:
    return tuple(
        tuple(
            sorted(
                ((round(w, DECIMALS), round(h, DECIMALS)) for w, h in shapes), key=lambda s: (s[0] * s[1], s)
            )
        )
        for shapes in maps
    )
