"""Boxes with names on images."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

GOLDEN_ANGLE = 137.508


def draw_detections(
    image: np.ndarray,
    boxes_xyxy_px: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
) -> np.ndarray:
    """A copy of the (H, W, 3) uint8 RGB image with (D, 4) boxes in px, the least likely first."""
    canvas = image.copy()
    thickness = max(1, round(min(image.shape[:2]) / 240))
    for index in np.argsort(scores):
        x1, y1, x2, y2 = (round(float(value)) for value in boxes_xyxy_px[index])
        colour = colour_of(int(labels[index]))
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, thickness)
        _write(canvas, f"{classes[int(labels[index])]} {scores[index]:.2f}", (x1, y1), colour, thickness)
    return canvas


def colour_of(label: int) -> tuple[int, int, int]:
    """RGB; neighbouring labels are far from each other on the colour circle."""
    hsv = np.array([[[label * GOLDEN_ANGLE % 360 / 2, 200, 255]]], dtype=np.uint8)
    red, green, blue = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue


def _write(
    canvas: np.ndarray, text: str, corner: tuple[int, int], colour: tuple[int, int, int], thickness: int
) -> None:
    scale = 0.4 * thickness
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    x = max(0, min(corner[0], canvas.shape[1] - width))
    y = max(height + base, corner[1])
    cv2.rectangle(canvas, (x, y - height - base), (x + width, y), colour, cv2.FILLED)
    cv2.putText(
        canvas, text, (x, y - base // 2), cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), thickness, cv2.LINE_AA
    )
