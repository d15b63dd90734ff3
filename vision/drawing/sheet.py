"""Images side by side with captions, on white paper."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from vision.drawing.text import Line, canvas, text_px, wrapped

PAPER, INK, RED, NOTHING = (255, 255, 255), (30, 30, 30), (170, 20, 20), (225, 225, 225)
CAPTION_PX, TITLE_PX = 12, 16
MOST_LINES = 3


class Tile(NamedTuple):
    """An image (H, W, 3) uint8 RGB, or None where there is none to be seen; a caption of one line, and a problem, in red."""

    pixels: np.ndarray | None
    caption: str = ""
    problem: str = ""


def draw_sheet(
    tiles: Sequence[Tile], title: str = "", columns: int = 4, tile_wh: tuple[int, int] | None = None
) -> np.ndarray:
    """(H, W, 3) uint8 RGB: ``tiles`` in reading order; larger ones than ``tile_wh`` (default: the largest there is) are made
    smaller. A caption that begins with a long path is shortened in front, where paths are alike."""
    width, height = tile_wh or _largest(tiles)
    gap, letters = max(6, width // 24), max(CAPTION_PX, text_px(width, height))
    problems = [wrapped(tile.problem, letters, width, MOST_LINES) for tile in tiles]
    step = round(letters * 1.25)
    below = step * (any(tile.caption for tile in tiles) + max(map(len, problems), default=0)) + letters // 2
    heading = max(TITLE_PX, letters) if title else 0
    top = gap + round(heading * 1.5)
    rows = -(-len(tiles) // columns)
    across = columns if tile_wh else min(columns, max(1, len(tiles)))
    least = Line(title, heading).width + 2 * gap if title and not tile_wh else 0
    sheet, pen = canvas(max(least, across * (width + gap) + gap), top + rows * (height + below + gap), PAPER)
    if title:
        Line(title, heading, sheet.width - 2 * gap).draw(pen, gap, gap / 2, INK)
    for index, (tile, lines) in enumerate(zip(tiles, problems, strict=True)):
        row, column = divmod(index, columns)
        x, y = gap + column * (width + gap), top + row * (height + below + gap)
        _paste(sheet, pen, tile.pixels, (x, y, width, height))
        y += height + letters // 4
        if tile.caption:
            _caption(tile.caption, letters, width).draw(pen, x, y, INK)
            y += step
        for line in lines:
            line.draw(pen, x, y, RED)
            y += step
    return np.asarray(sheet)


def png_of(pixels: np.ndarray) -> bytes:
    """(H, W, 3) uint8 RGB as the bytes of a PNG file, the same for the same image."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()


def _largest(tiles: Sequence[Tile]) -> tuple[int, int]:
    shapes = [tile.pixels.shape for tile in tiles if tile.pixels is not None] or [(132, 176)]
    return max(shape[1] for shape in shapes), max(shape[0] for shape in shapes)


def _paste(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, pixels: np.ndarray | None, place: tuple[int, int, int, int]
) -> None:
    x, y, width, height = place
    if pixels is None or pixels.shape[:2] != (height, width):
        pen.rectangle((x, y, x + width - 1, y + height - 1), NOTHING)
    if pixels is None:
        Line("nothing to see", CAPTION_PX, width).draw(pen, x + 8, y + height // 2 - 6, INK)
        return
    tile = Image.fromarray(np.ascontiguousarray(pixels))
    if tile.width > width or tile.height > height:
        tile.thumbnail((width, height))
    sheet.paste(tile, (x + (width - tile.width) // 2, y + (height - tile.height) // 2))


def _caption(text: str, letters: int, width: int) -> Line:
    """Of a long path the end is told apart from others."""
    line = Line(text, letters)
    while "/" in text and line.width > width and len(text) > 4:
        text = text[1:]
        line = Line("..." + text, letters)
    return line if line.width <= width else Line(text, letters, width)
