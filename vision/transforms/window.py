"""A window of an image at another size, at the speed of ``cv2.resize``: a core should make thousands of packed images a second.

``cv2.resize`` begins at whole pixels; ``cv2.warpAffine`` begins anywhere and takes three times as long. But with a scale that is
given and not derived from sizes, ``resize`` may begin some result pixels before the window: among a few dozen such beginnings one is
next to a whole pixel, closer than the steps of 1/32 px in which OpenCV's warp places its samples. What comes before is cut off.
"""

from __future__ import annotations

import math
from functools import lru_cache

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
    fx, fy = 1 / step_xy[0], 1 / step_xy[1]
    part, shape = _part(image, first_x, first_y, height, width, fx, fy)
    memory = scratch[: math.prod(shape)]
    target = memory.reshape(shape) if len(memory) == math.prod(shape) else None
    made = cv2.resize(part, None, dst=target, fx=fx, fy=fy, interpolation=cv2.INTER_LINEAR)
    return made[skip_y:height, skip_x:width]


@lru_cache(maxsize=8)  # planes of half the size begin alike
def _beginning(start: float, step: float) -> tuple[int, int] | None:
    """The whole pixel to begin at, and how many result pixels come before the window then; None where none is near."""
    for skip in range(MOST):
        begins = start - skip * step
        if not CLOSE_PX < begins % 1.0 < 1 - CLOSE_PX:
            return round(begins), skip
    away, skip = min(
        (abs(begins - round(begins)), skip) for skip in range(MOST) for begins in (start - skip * step,)
    )
    return (round(start - skip * step), skip) if away <= NEAR_PX else None


def _part(
    image: np.ndarray, left: int, top: int, height: int, width: int, fx: float, fy: float
) -> tuple[np.ndarray, tuple[int, ...]]:
    """What makes at least ``height`` × ``width`` px of result, and the shape that OpenCV makes of it; a view where that is in the image.

    At its end the image need not be continued: OpenCV does so itself.
    """
    rows, columns = math.ceil((height + 0.5) / fy) + 1, math.ceil((width + 0.5) / fx) + 1
    part = image[max(0, top) : max(0, top + rows), max(0, left) : max(0, left + columns)]
    made = round(part.shape[0] * fy), round(part.shape[1] * fx)
    if top < 0 or left < 0 or made[0] < height or made[1] < width:
        bottom, right = top + rows - image.shape[0], left + columns - image.shape[1]
        sides = (max(0, -top), max(0, bottom), max(0, -left), max(0, right))
        part = cv2.copyMakeBorder(part, *sides, cv2.BORDER_REPLICATE)
        made = round(part.shape[0] * fy), round(part.shape[1] * fx)
    return part, (*made, *image.shape[2:])


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
