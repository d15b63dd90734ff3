"""Pixels through ``View``s: sampled, coloured and mirrored into memory that is there.

Nothing is drawn here, and nothing large is allocated for an image: fresh memory costs a tenth of what the pixels do.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from vision.core.sample import Objects, Sample
from vision.datasets.packed.detection import YUV_TO_RGB, planes_of
from vision.transforms.geometry import View, Views, alone, covered, objects_to_keep
from vision.transforms.window import sampled, scratch_for


def show(sample: Sample, view: View, fill: int, smallest_side_px: float) -> Sample:
    """The sample as ``view`` shows it, uint8 and of ``view.result_hw``.

    :param fill: value of all channels where the window reaches beyond the image
    :param smallest_side_px: objects with a shorter side in the result are left out
    """
    views, frame_hw = alone(view), np.array([[sample.height, sample.width]])
    boxes, keep = objects_to_keep(sample.boxes_xyxy_px, sample.is_crowd, views, smallest_side_px)
    image = np.empty((*view.result_hw, 3), np.uint8)
    Painter(views, frame_hw, fill).paint(0, sample.image, image)
    return replace(sample, image=image, frame_hw=None).with_objects(boxes, keep)


def shown_objects(objects: Objects, views: Views, smallest_side_px: float) -> Objects:
    """What ``show`` makes of the objects of N samples."""
    boxes, keep = objects_to_keep(
        objects.boxes_xyxy_px, objects.is_crowd, views.at(objects.owners), smallest_side_px
    )
    frames_hw = np.tile(np.array(views.result_hw), (len(objects), 1))
    return replace(objects, boxes_xyxy_px=boxes, frames_hw=frames_hw).only(keep)


class Painter:
    """N images as ``views`` show them, each when its pixels are there.

    :param frames_hw: (N, 2) px that the windows are measured in; an image may show all of its frame at another size
    :param fill: value of all channels where a window reaches beyond the image
    """

    def __init__(self, views: Views, frames_hw: np.ndarray, fill: int) -> None:
        self._views, self._frames_hw, self._fill = views, frames_hw.tolist(), fill
        self._ltrb = covered(frames_hw, views).tolist()
        self._sampled = [scratch_for(views.result_hw, channels) for channels in (3, 1, 1)]
        self._mixed, self._coloured = (np.empty(3 * math.prod(views.result_hw), np.uint8) for _ in range(2))

    def paint(self, which: int, image: np.ndarray, out: np.ndarray) -> None:
        """Image ``which`` of N into ``out`` (h, w, 3) uint8: only the part that shows the image is sampled and coloured.

        :param image: (H, W, 3) uint8 RGB, or the planes of a packed one
        """
        height, width = out.shape[:2]
        left, top, right, bottom = ltrb = self._ltrb[which]
        if ltrb != [0, 0, width, height]:
            out[:] = self._fill
        if right <= left or bottom <= top:
            return
        view, part = self._views[which], out[top:bottom, left:right]
        (frame_h, frame_w), (x1, y1, x2, y2) = self._frames_hw[which], view.window_xyxy_px
        step_x, step_y = (x2 - x1) / width, (y2 - y1) / height
        start_x = x1 + (width - right if view.mirrored else left) * step_x
        start_y = y1 + top * step_y
        planes = []
        for plane, scratch in zip(planes_of(image), self._sampled, strict=False):
            x, y = plane.shape[1] / frame_w, plane.shape[0] / frame_h
            start, step = (start_x * x, start_y * y), (step_x * x, step_y * y)
            planes.append(sampled(plane, start, step, (bottom - top, right - left), scratch))
        self._finish(planes, view, part)

    def _finish(self, planes: list[np.ndarray], view: View, part: np.ndarray) -> None:
        """RGB, or planes that the matrix of the colours makes RGB, coloured and mirrored into ``part``."""
        shown, matrix = planes[0], view.colour
        if len(planes) > 1:
            to_rgb = YUV_TO_RGB[:3] if matrix is None else matrix @ YUV_TO_RGB
            shown, matrix = cv2.merge(planes, _like(self._mixed, part)), to_rgb.astype(np.float32)
        if matrix is not None:
            shown = cv2.transform(shown, matrix, _like(self._coloured, part) if view.mirrored else part)
        if view.mirrored:
            cv2.flip(shown, 1, part)
        elif matrix is None:
            part[:] = shown


def _like(memory: np.ndarray, part: np.ndarray) -> np.ndarray:
    return memory[: part.size].reshape(part.shape)
