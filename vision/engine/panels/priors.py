"""The priors of each map on an image: their centres, and the shapes of the cell in the middle, each in its own colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from vision.drawing.boxes import outline
from vision.drawing.palette import colour
from vision.drawing.sheet import Tile, draw_sheet
from vision.engine.panels.tile_grid import MapGrid, by_map
from vision.messages.terminal import counted

MOST_DOTS = 2000
"""More would hide the image: a finer map shows none."""


def draw_priors(
    image: np.ndarray, priors_cxcywh: np.ndarray, grids: Sequence[MapGrid], title: str = ""
) -> np.ndarray:
    """On the dark (H, W, 3) uint8 image, which has the proportions of the input; priors (P, 4) as fractions of it."""
    tiles = []
    for grid, own in by_map(grids):
        caption = f"{grid}, {counted(grid.per_cell, 'box')} each"
        tiles.append(Tile(_of_map(image, priors_cxcywh[own], grid), caption))
    return draw_sheet(tiles, title, columns=3)


def _of_map(image: np.ndarray, priors: np.ndarray, grid: MapGrid) -> np.ndarray:
    drawn = Image.fromarray(image)
    pen = ImageDraw.Draw(drawn)
    width, height = drawn.size
    if grid.rows * grid.columns <= MOST_DOTS:
        for cx, cy in (priors[:: grid.per_cell, :2] * (width, height)).tolist():
            pen.rectangle((cx - 0.5, cy - 0.5, cx + 0.5, cy + 0.5), fill=(255, 255, 255))
    first = ((grid.rows // 2) * grid.columns + grid.columns // 2) * grid.per_cell
    middle = priors[first : first + grid.per_cell] * (width, height, width, height)
    for number, (cx, cy, w, h) in enumerate(middle.tolist(), 1):
        outline(pen, (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), colour(number), 2)
    return np.asarray(drawn)
