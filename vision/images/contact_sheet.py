"""An image of images: the bad ones with name and reason, for a look at what was refused."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image, ImageDraw, ImageFile, ImageFont

from vision.images.decode import image_size
from vision.images.formats import BadImage
from vision.images.raster import DECODER_ERRORS

THUMBNAIL_WH = (176, 132)
COLUMNS = 6
MOST = 60
"""Tiles on a sheet; the rest is in rejects.jsonl."""

_MARGIN, _TITLE, _CAPTION, _LINES, _LETTERS = 12, 40, 60, 4, 30
_PAPER, _INK, _RED, _NOTHING = (255, 255, 255), (30, 30, 30), (170, 20, 20), (225, 225, 225)


def thumbnail(data: bytes, most_wh: tuple[int, int] = THUMBNAIL_WH) -> np.ndarray | None:
    """(H, W, 3) uint8 of what a lenient decoder sees of an image that may be bad, at most ``most_wh`` px; None for nothing.

    Not for training: it is grey where data are lost. For a process that makes thumbnails and nothing else.
    """
    try:
        image_size(data)  # refuses what is too large
        return _lenient(data, most_wh)
    except (BadImage, *DECODER_ERRORS):
        return None


def _lenient(data: bytes, most_wh: tuple[int, int]) -> np.ndarray:
    if data.startswith(b"\xff\xd8"):
        width, height = most_wh
        pixels = simplejpeg.decode_jpeg(data, "RGB", min_height=height, min_width=width, strict=False)
        image = Image.fromarray(pixels)
    else:
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        image = Image.open(io.BytesIO(data)).convert("RGB")
    image.thumbnail(most_wh)
    return np.asarray(image)


def draw_sheet(title: str, tiles: Sequence[tuple[np.ndarray | None, str, str]]) -> Image.Image:
    """``tiles``: (thumbnail (H, W, 3) uint8 or None, name, reason), in reading order."""
    tile_width, tile_height = THUMBNAIL_WH[0] + _MARGIN, THUMBNAIL_WH[1] + _CAPTION + _MARGIN
    rows = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * tile_width + _MARGIN, _TITLE + rows * tile_height + _MARGIN), _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_MARGIN, _MARGIN), title, _INK, ImageFont.load_default(16))
    for index, (pixels, name, reason) in enumerate(tiles):
        row, column = divmod(index, COLUMNS)
        _draw_tile(
            sheet, pen, _MARGIN + column * tile_width, _TITLE + row * tile_height, pixels, name, reason
        )
    return sheet


def publish_sheet(path: Path, sheet: Image.Image) -> None:
    """As PNG; the suffix of a temporary name does not matter."""
    sheet.save(path, format="PNG", optimize=True)


def _draw_tile(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    x: int,
    y: int,
    pixels: np.ndarray | None,
    name: str,
    reason: str,
) -> None:
    width, height = THUMBNAIL_WH
    pen.rectangle((x, y, x + width - 1, y + height - 1), _NOTHING)
    if pixels is None:
        pen.text((x + 8, y + height // 2 - 6), "nothing to see", _INK, ImageFont.load_default(12))
    else:
        tile = Image.fromarray(pixels)
        sheet.paste(tile, (x + (width - tile.width) // 2, y + (height - tile.height) // 2))
    font = ImageFont.load_default(11)
    pen.text((x, y + height + 3), _shortened(name), _INK, font)
    for line, text in enumerate(textwrap.wrap(reason, _LETTERS)[: _LINES - 1]):
        pen.text((x, y + height + 3 + 14 * (line + 1)), text.replace("×", "x"), _RED, font)


def _shortened(name: str) -> str:
    return name if len(name) <= _LETTERS else f"…{name[1 - _LETTERS :]}"
