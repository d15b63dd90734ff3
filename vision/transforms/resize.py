"""To the network's size without chance: bilinear, or the nearest neighbour of detectNet on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from vision.core.sample import Sample
from vision.datasets.packed.detection import rgb_of
from vision.transforms.geometry import alone, objects_to_keep, whole

Resize = Callable[[np.ndarray, tuple[int, int]], np.ndarray]


def bilinear(image: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 → (h, w, 3), without smoothing before it is made smaller, as in SSD's training."""
    return cv2.resize(image, (size_hw[1], size_hw[0]), interpolation=cv2.INTER_LINEAR)


def detectnet(image: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 → (h, w, 3) by truncating nearest neighbour, as jetson-inference's CUDA kernel does it.

    Pixel i of the result shows pixel ⌊i · source / target⌋, computed in float32.
    """
    rows, columns = (_sources(image.shape[axis], size_hw[axis]) for axis in (0, 1))
    return np.ascontiguousarray(image[rows[:, None], columns])


def _sources(source: int, target: int) -> np.ndarray:
    scale = np.float32(source) / np.float32(target)
    return (np.arange(target, dtype=np.float32) * scale).astype(np.int64).clip(max=source - 1)


RESIZES: dict[str, Resize] = {"bilinear": bilinear, "detectnet": detectnet}
"""By the name that a user types."""


def resize_sample(sample: Sample, size_hw: tuple[int, int], resize: Resize = bilinear) -> Sample:
    """Image and boxes at another size; only boxes without any area are left out."""
    view = alone(replace(whole(sample.height, sample.width), size_hw=size_hw))
    boxes, keep = objects_to_keep(sample.boxes_xyxy_px, sample.is_crowd, view, smallest_side_px=0.0)
    image = resize(rgb_of(sample.image) if sample.frame_hw else sample.image, size_hw)
    return replace(sample, image=image, frame_hw=None).with_objects(boxes, keep)
