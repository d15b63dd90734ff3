"""The prior boxes of each map on its grid: a panel a map, the shapes of one cell each in its own colour."""

from __future__ import annotations

import math

import cv2
import numpy as np

from vision.drawing.palette import colour
from vision.ssd.model import Detector

PANEL_PX, GAP_PX, HEAD_PX = 400, 12, 28
BACKGROUND, GRID, CENTRE, INK = (250, 250, 250), (215, 215, 215), (90, 90, 90), (20, 20, 20)
MOST_DOTS = 2000


def draw_priors(detector: Detector, cells: list[tuple[int, int]], counts: list[int]) -> np.ndarray:
    """(H, W, 3) uint8 RGB. Each panel has the proportions of the input; the boxes are those of the cell nearest to its middle."""
    priors = detector.priors_cxcywh.cpu().numpy()
    spec = detector.input_spec
    scale = PANEL_PX / max(spec.width, spec.height)
    width, height = (max(1, round(side * scale)) for side in (spec.width, spec.height))
    ends = np.cumsum([rows * columns * count for (rows, columns), count in zip(cells, counts, strict=True)])
    parts = np.split(priors, ends[:-1])
    panels = [_panel(*one, width, height) for one in zip(parts, cells, counts, strict=True)]
    across = min(3, len(panels))
    down = math.ceil(len(panels) / across)
    sheet = np.full(
        (down * (len(panels[0]) + GAP_PX) + GAP_PX, across * (width + GAP_PX) + GAP_PX, 3), 255, np.uint8
    )
    for number, panel in enumerate(panels):
        y = GAP_PX + number // across * (len(panel) + GAP_PX)
        x = GAP_PX + number % across * (width + GAP_PX)
        sheet[y : y + len(panel), x : x + width] = panel
    return sheet


def _panel(priors: np.ndarray, cells: tuple[int, int], count: int, width: int, height: int) -> np.ndarray:
    canvas = np.full((height, width, 3), BACKGROUND, np.uint8)
    rows, columns = cells
    for column in range(1, columns):
        x = round(column * width / columns)
        cv2.line(canvas, (x, 0), (x, height), GRID, 1)
    for row in range(1, rows):
        y = round(row * height / rows)
        cv2.line(canvas, (0, y), (width, y), GRID, 1)
    if rows * columns <= MOST_DOTS:
        for cx, cy in priors[::count, :2] * (width, height):
            cv2.circle(canvas, (round(float(cx)), round(float(cy))), 1, CENTRE, cv2.FILLED)
    first = ((rows // 2) * columns + columns // 2) * count
    for number, (cx, cy, w, h) in enumerate(priors[first : first + count] * (width, height, width, height)):
        first_corner, other = (
            (round(float(cx + sign * w / 2)), round(float(cy + sign * h / 2))) for sign in (-1, 1)
        )
        cv2.rectangle(canvas, first_corner, other, colour(number + 1), 2, cv2.LINE_AA)
    cv2.rectangle(canvas, (0, 0), (width - 1, height - 1), CENTRE, 1)
    head = np.full((HEAD_PX, width, 3), 255, np.uint8)
    text = f"{columns} x {rows} cells, {count} boxes each"
    cv2.putText(head, text, (2, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
    return np.vstack([head, canvas])
