"""Images side by side."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from vision.drawing.sheet import RED, Tile, draw_sheet, png_of

PIXELS = np.full((80, 120, 3), (10, 200, 30), np.uint8)


def test_the_sheet_grows_by_rows_and_is_the_same_every_time() -> None:
    tiles = [Tile(PIXELS, "train/a.jpg", "truncated: 3×4"), Tile(None, "x" * 80, "missing: " + "word " * 60)]
    one, two = draw_sheet(tiles, "title", 6, (176, 132)), draw_sheet(tiles * 6, "title", 6, (176, 132))
    assert two.shape[1] == one.shape[1] and two.shape[0] > one.shape[0]
    assert (
        png_of(one)
        == png_of(draw_sheet(tiles, "title", 6, (176, 132)))
        != png_of(draw_sheet(tiles[::-1], "title", 6, (176, 132)))
    )
    assert draw_sheet([], "none", 6, (176, 132)).shape[1] == one.shape[1]
    assert (one == RED).all(axis=-1).any()


def test_images_keep_their_pixels_and_large_ones_get_smaller() -> None:
    sheet = draw_sheet([Tile(PIXELS, "a"), Tile(PIXELS[:40], "b")])
    assert (sheet == PIXELS[0, 0]).all(axis=-1).sum() == 80 * 120 + 40 * 120
    small = draw_sheet([Tile(np.tile(PIXELS, (10, 10, 1)), "a")], tile_wh=(60, 60), columns=1)
    assert small.shape[0] < 120 and (abs(small.astype(int) - PIXELS[0, 0]) < 8).all(axis=-1).sum() == 60 * 40


def test_a_long_path_keeps_its_end_and_a_title_its_room() -> None:
    first, second = (
        draw_sheet([Tile(PIXELS, f"train2017/{'a' * 40}/{end}.jpg")]) for end in ("one", "other")
    )
    assert (first != second).any()
    assert draw_sheet([Tile(PIXELS)], "a title that is wider than the only image").shape[1] > 250


def test_a_png_has_the_pixels() -> None:
    assert (np.asarray(Image.open(io.BytesIO(png_of(PIXELS)))) == PIXELS).all()
