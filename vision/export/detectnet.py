"""What jetson-inference's detectNet does around the network, in NumPy: its resize, normalisation and merging.

A detector that is deployed there is to be looked at through these, not through what it was trained with.
Read in jetson-inference @45da40a, ``c/detectNet.cpp`` and ``c/tensorNet.cpp``. Legend: N priors, C classes with
background, D detections.
"""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import not_a_command

    not_a_command("python -m tools.detect")

import numpy as np

from vision.core.sample import InputSpec
from vision.transforms.resize import detectnet as truncating_nearest

MERGE_OVERLAP = 0.75
"""Boxes of one class become their union when intersection / larger area is above this."""
SCORE_THRESHOLD = 0.5


def resize(image: np.ndarray, spec: InputSpec) -> np.ndarray:
    """(H, W, 3) uint8 → (spec.height, spec.width, 3) by truncating nearest neighbour, without letterbox."""
    return truncating_nearest(image, (spec.height, spec.width))


def network_input(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB of the network's size → (1, 3, H, W) float32, ``pixel / 127.5 − 1``."""
    planes = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)
    return (planes / np.float32(127.5) - np.float32(1.0))[None]


def cluster_detections(
    scores: np.ndarray,
    boxes_xyxy: np.ndarray,
    image_hw: tuple[int, int],
    threshold: float = SCORE_THRESHOLD,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (N, C) and boxes (N, 4) as fractions → boxes (D, 4) as fractions, scores (D,), labels (D,) int64.

    A prior speaks for its best class that is not background. Overlapping boxes of a class are merged
    into their union, with the best of their scores; this is not non-maximum suppression.

    :param image_hw: px of the image that is looked at, not of the network's input: the device cuts boxes there at its last
        pixel, ``width − 1`` and ``height − 1``
    """
    objects = np.where(np.isnan(scores[:, 1:]), -np.inf, scores[:, 1:])  # NaN > best is false there
    labels = objects.argmax(axis=1) + 1
    best = objects.max(axis=1)
    kept: list[tuple[np.ndarray, float, int]] = []
    for index in np.flatnonzero((best >= threshold) & np.isfinite(boxes_xyxy).all(axis=1)):
        _merge_in(kept, boxes_xyxy[index].astype(np.float64), float(best[index]), int(labels[index]))
    kept.sort(key=lambda one: -_area(one[0]))
    if not kept:
        return np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)
    corners, values, names = zip(*kept, strict=True)
    inside = _cut_at_the_border(np.stack(corners), image_hw).astype(np.float32)
    return inside, np.array(values, np.float32), np.array(names, np.int64)


def _cut_at_the_border(boxes_xyxy: np.ndarray, image_hw: tuple[int, int]) -> np.ndarray:
    """As the device does it: left and top below 0 become 0; right and bottom of 1 or more become the last pixel.

    What is between the last pixel and the border stays, and so do a left and a top beyond it.
    """
    last = 1.0 - 1.0 / np.array([image_hw[1], image_hw[0]], np.float64)
    low, high = boxes_xyxy[:, :2], boxes_xyxy[:, 2:]
    return np.concatenate([np.maximum(low, 0.0), np.where(high >= 1.0, last, high)], axis=1)


def _merge_in(kept: list[tuple[np.ndarray, float, int]], box: np.ndarray, score: float, label: int) -> None:
    """Into the first of ``kept`` that it overlaps, or as a new one."""
    for position, (other, other_score, other_label) in enumerate(kept):
        if label == other_label and _overlap(box, other) > MERGE_OVERLAP:
            union = np.concatenate([np.minimum(box[:2], other[:2]), np.maximum(box[2:], other[2:])])
            kept[position] = (union, max(score, other_score), label)
            return
    kept.append((box, score, label))


def _area(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    size = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    larger = max(_area(a), _area(b))
    return float(size[0] * size[1]) / larger if (size > 0).all() and larger > 0 else 0.0
