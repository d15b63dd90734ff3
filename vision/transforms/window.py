"""A window of an image at another size, at the speed of ``cv2.resize``: a core should make thousands of packed images a second.

``cv2.resize`` begins at whole pixels; ``cv2.warpAffine`` begins anywhere and takes three times as long. But with a scale that is
given and not derived from sizes, ``resize`` may begin some result pixels before the window: among a few dozen such beginnings one is
next to a whole pixel, closer than the steps of 1/32 px in which OpenCV's warp places its samples. What comes before is cut off.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

MOST = 40
"""Result pixels that may be made in vain before the window, along a side."""
CLOSE_PX, NEAR_PX = 1 / 32, 1 / 12
"""From a whole pixel of the source: close enough not to look any further; and the most that is taken, else it is warped."""


def scratch_for(size_hw: tuple[int, int], channels: int = 3) -> np.ndarray:
    """Memory for what ``sampled`` makes of one plane, for any size up to ``size_hw``."""
    return np.empty((size_hw[0] + MOST + 2) * (size_hw[1] + MOST + 2) * channels, np.uint8)


def sampled(
    image: np.ndarray,
    start_xy: tuple[float, float],
    step_xy: tuple[float, float],
    size_hw: tuple[int, int],
    scratch: np.ndarray,
) -> np.ndarray:
    """(H, W) or (H, W, 3) uint8 → the same of ``size_hw``, bilinear, a part of ``scratch``; the border's pixels continue beyond it.

    Pixel i of the result along an axis shows the point ``start + (i + ½) · step`` of the image, points being corners of pixels.
    """
    x, y = _beginning(start_xy[0], step_xy[0]), _beginning(start_xy[1], step_xy[1])
    if x is None or y is None:
        return _warped(image, start_xy, step_xy, size_hw)
    (first_x, skip_x), (first_y, skip_y) = x, y
    height, width = size_hw[0] + skip_y, size_hw[1] + skip_x
    part = _with_border(image, first_x, first_y, _taken(step_xy[0], width), _taken(step_xy[1], height))
    fx, fy = 1 / step_xy[0], 1 / step_xy[1]
    shape = (round(part.shape[0] * fy), round(part.shape[1] * fx), *image.shape[2:])  # as OpenCV rounds it
    memory = scratch[: math.prod(shape)]
    target = memory.reshape(shape) if len(memory) == math.prod(shape) else None
    made = cv2.resize(part, None, dst=target, fx=fx, fy=fy, interpolation=cv2.INTER_LINEAR)
    return made[skip_y:height, skip_x:width]


def _beginning(start: float, step: float) -> tuple[int, int] | None:
    """The whole pixel to begin at, and how many result pixels come before the window then; None where none is near."""
    best, least = (0, 0), NEAR_PX
    for skip in range(MOST):
        begins = start - skip * step
        nearest = round(begins)
        away = abs(begins - nearest)
        if away <= CLOSE_PX:
            return nearest, skip
        if away <= least:
            best, least = (nearest, skip), away
    return best if least < NEAR_PX else None


def _taken(step: float, count: int) -> int:
    """How many source pixels make ``count`` result pixels, and not one less."""
    return math.ceil((count + 0.5) * step) + 1


def _with_border(image: np.ndarray, left: int, top: int, width: int, height: int) -> np.ndarray:
    """The part of the image, a view where all of it is inside; the border's pixels continue where it is not."""
    bottom, right = top + height - image.shape[0], left + width - image.shape[1]
    part = image[max(0, top) : top + height, max(0, left) : left + width]
    if top >= 0 and left >= 0 and bottom <= 0 and right <= 0:
        return part
    sides = (max(0, -top), max(0, bottom), max(0, -left), max(0, right))
    return cv2.copyMakeBorder(part, *sides, cv2.BORDER_REPLICATE)


def _warped(
    image: np.ndarray, start_xy: tuple[float, float], step_xy: tuple[float, float], size_hw: tuple[int, int]
) -> np.ndarray:
    matrix = np.array(
        [
            [step_xy[0], 0, start_xy[0] + (step_xy[0] - 1) / 2],
            [0, step_xy[1], start_xy[1] + (step_xy[1] - 1) / 2],
        ]
    )
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, size_hw[::-1], flags=how, borderMode=cv2.BORDER_REPLICATE)
