"""An image as panels show it: as the net sees it, its longer side always as long, with its objects.

Legend: G objects, K crowd regions, H × W pixels. Boxes are corners as fractions of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vision.core.sample import GREY, InputSpec, Sample
from vision.drawing.boxes import Mark, draw_marks, marks_of
from vision.drawing.palette import GREY as CROWD

SIDE_PX = 300


@dataclass(frozen=True)
class Scene:
    """* image: (H, W, 3) uint8
    * boxes_xyxy: (G, 4), labels: (G,) int64
    * crowds_xyxy: (K, 4)
    """

    image: np.ndarray
    boxes_xyxy: np.ndarray
    labels: np.ndarray
    crowds_xyxy: np.ndarray

    def px(self, boxes_xyxy: np.ndarray) -> np.ndarray:
        """Fractions → px of the image as it is shown."""
        height, width = self.image.shape[:2]
        return np.asarray(boxes_xyxy, np.float64).reshape(-1, 4) * (width, height, width, height)

    def with_truth(self, classes: Sequence[str]) -> np.ndarray:
        """The image with its objects, and crowd regions in grey."""
        crowds = [Mark(box, CROWD, "crowd") for box in self.px(self.crowds_xyxy).tolist()]
        return draw_marks(self.image, [*marks_of(self.px(self.boxes_xyxy), self.labels, classes), *crowds])


def scene_of(sample: Sample, spec: InputSpec, side_px: int = SIDE_PX) -> Scene:
    """Grey where the net sees grey; the longer side becomes ``side_px``."""
    image = sample.image
    if spec.channels == 1:
        grey = np.rint(image @ np.array(GREY)).astype(np.uint8)
        image = np.repeat(grey[..., None], 3, axis=2)
    boxes = sample.boxes_xyxy_px / np.array([sample.width, sample.height] * 2, np.float32)
    crowd = sample.is_crowd
    return Scene(fitted(image, side_px), boxes[~crowd], sample.labels[~crowd], boxes[crowd])


def fitted(image: np.ndarray, side_px: int) -> np.ndarray:
    """(H, W, 3) uint8, its longer side ``side_px``; what gets larger keeps its pixels visible."""
    height, width = image.shape[:2]
    scale = side_px / max(height, width)
    if scale == 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)


def dimmed(image: np.ndarray) -> np.ndarray:
    """Greyish and dark, so that what is drawn on it stands out."""
    grey = np.rint(image @ np.array(GREY))[..., None]
    return (0.3 * image + 0.3 * grey + 30).astype(np.uint8)
