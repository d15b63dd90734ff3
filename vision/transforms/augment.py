"""Pixels through a ``View``. The only module that imports albumentations, so that leaving it stays a small change.

Nothing is drawn here: albumentations' functional layer is called with our numbers. Its ``Compose`` would draw from
a generator of its own and cost milliseconds an image.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from vision.core.sample import Sample
from vision.transforms.geometry import View, objects_to_keep, scales_and_offsets, show_boxes

_IDENTITY = np.eye(3)


@cache
def _functional() -> tuple[Any, Any]:
    """albumentations' geometry and colour functions; imported when first used, since that takes seconds."""
    os.environ.setdefault(
        "NO_ALBUMENTATIONS_UPDATE", "1"
    )  # it asks the network for its newest version otherwise
    from albumentations.augmentations.geometric import functional as geometry
    from albumentations.augmentations.pixel import functional as colour

    return geometry, colour


def require() -> None:
    """Imports albumentations now, in the parent of all workers. Raises ImportError."""
    _functional()


def show(sample: Sample, view: View, fill: int, smallest_side_px: float) -> Sample:
    """The sample as ``view`` shows it, uint8 and of ``view.result_hw``.

    :param fill: value of all channels where the window reaches beyond the image
    :param smallest_side_px: objects with a shorter side in the result are left out
    """
    boxes, keep = objects_to_keep(sample.boxes_xyxy_px, sample.is_crowd, view, smallest_side_px)
    return replace(sample, image=_show_pixels(sample.image, view, fill)).with_objects(boxes, keep)


def _show_pixels(image: np.ndarray, view: View, fill: int) -> np.ndarray:
    """Only the part of the result that shows the image is sampled and coloured; the rest is fill."""
    height, width = view.result_hw
    left, top, right, bottom = _covered(image.shape, view)
    if right <= left or bottom <= top:
        return np.full((height, width, 3), fill, np.uint8)
    part = _coloured(_sampled(image, view, (left, top, right, bottom)), view.colour)
    if part.shape[:2] == (height, width):
        return part
    canvas = np.full((height, width, 3), fill, np.uint8)
    canvas[top:bottom, left:right] = part
    return canvas


def _covered(shape: tuple[int, ...], view: View) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in px of the result, where the image is seen."""
    height, width = view.result_hw
    whole = np.array([[0, 0, shape[1], shape[0]]], np.float64)
    corners = np.rint(show_boxes(whole, view)[0]).clip(0, [width, height, width, height])
    left, top, right, bottom = corners.astype(int).tolist()
    return left, top, right, bottom


def _sampled(image: np.ndarray, view: View, part_ltrb: tuple[int, int, int, int]) -> np.ndarray:
    """The part of the result, bilinear; the image's border pixels continue where a half pixel is missing."""
    import cv2

    left, top, right, bottom = part_ltrb
    scale_x, offset_x, scale_y, offset_y = scales_and_offsets(view)
    # points are corners of pixels, OpenCV's are their centres: half a pixel before and after
    matrix = np.array(
        [
            [scale_x, 0.0, offset_x - left + (scale_x - 1) / 2],
            [0.0, scale_y, offset_y - top + (scale_y - 1) / 2],
            [0.0, 0.0, 1.0],
        ]
    )
    size_hw = (bottom - top, right - left)
    if np.abs(matrix - _IDENTITY).max() < 2e-5:  # warp_affine would give the whole image, whatever the size
        return image[: size_hw[0], : size_hw[1]].copy()
    return _functional()[0].warp_affine(
        image,
        matrix,
        interpolation=cv2.INTER_LINEAR,
        fill=0,
        border_mode=cv2.BORDER_REPLICATE,
        output_shape=size_hw,
    )


def _coloured(image: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    if matrix is None:
        return image
    return _functional()[1].linear_transformation_rgb(image, matrix)
