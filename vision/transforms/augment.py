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
from vision.datasets.packed.detection import YUV_TO_RGB, planes_of, stored_hw
from vision.transforms.geometry import View, as_stored, objects_to_keep, scales_and_offsets, show_boxes
from vision.transforms.window import sampled

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
    pixels = _show_packed if sample.frame_hw else _show_pixels
    stored = as_stored(view, sample.frame_hw, stored_hw(sample.image)) if sample.frame_hw else view
    image = pixels(sample.image, stored, fill)
    return replace(sample, image=image, frame_hw=None).with_objects(boxes, keep)


def _show_pixels(image: np.ndarray, view: View, fill: int) -> np.ndarray:
    """Only the part of the result that shows the image is sampled and coloured; the rest is fill."""
    height, width = view.result_hw
    left, top, right, bottom = _covered(image.shape, view)
    if right <= left or bottom <= top:
        return np.full((height, width, 3), fill, np.uint8)
    part = _coloured(_sampled(image, view, (left, top, right, bottom)), view.colour)
    return _on_canvas(part, (left, top, right, bottom), view, fill)


def _on_canvas(part: np.ndarray, ltrb: tuple[int, int, int, int], view: View, fill: int) -> np.ndarray:
    height, width = view.result_hw
    if part.shape[:2] == (height, width):
        return part
    left, top, right, bottom = ltrb
    canvas = np.full((height, width, 3), fill, np.uint8)
    canvas[top:bottom, left:right] = part
    return canvas


def _show_packed(image: np.ndarray, view: View, fill: int) -> np.ndarray:
    """The same of a packed image, by the faster sampler; planes become RGB by the matrix that colours them."""
    import cv2

    (height, width), whole_hw = view.result_hw, stored_hw(image)
    left, top, right, bottom = ltrb = _covered(whole_hw, view)
    if right <= left or bottom <= top:
        return np.full((height, width, 3), fill, np.uint8)
    step_x, step_y = view.width / width, view.height / height
    start_x = view.window_xyxy_px[0] + (width - right if view.mirrored else left) * step_x
    start_y = view.window_xyxy_px[1] + top * step_y
    parts = []
    for plane in planes_of(image):
        scale = plane.shape[0] / whole_hw[0]
        start, step = (start_x * scale, start_y * scale), (step_x * scale, step_y * scale)
        parts.append(sampled(plane, start, step, (bottom - top, right - left)))
    shown, matrix = parts[0], view.colour
    if len(parts) > 1:
        to_rgb = YUV_TO_RGB[:3] if matrix is None else matrix @ YUV_TO_RGB
        shown, matrix = cv2.merge(parts), to_rgb.astype(np.float32)
    if matrix is not None:
        shown = cv2.transform(shown, matrix)
    return _on_canvas(np.ascontiguousarray(shown[:, ::-1] if view.mirrored else shown), ltrb, view, fill)


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
