"""Places are whole numbers that mean what the views say."""

from __future__ import annotations

import numpy as np
import pytest

from vision.images.packs.pixels import YUV_TO_RGB
from vision.transforms.device.places import AXES, COLOUR, COLOUR_BITS, FIELDS, PX_BITS, RECORD, SEEN, places
from vision.transforms.geometry import Views


def views() -> Views:
    """One as it is, one zoomed out and mirrored, one that sees nothing of its image."""
    windows = np.array([[0, 0, 200, 100], [-100, -50, 300, 150], [400, 0, 500, 100]], np.float64)
    colour = np.repeat(np.eye(3, 4, dtype=np.float32)[None], 3, axis=0)
    colour[1] *= 0.5
    mirrored, no = np.array([False, True, False]), np.zeros(3, bool)
    return Views(windows, mirrored, mirrored, colour, no, (50, 80))


def test_windows_in_px_of_the_record() -> None:
    rows = places(views(), np.array([[100, 200]] * 3), np.array([5, 0, 9]), "rgb", 64)
    assert rows.shape == (3, FIELDS) and rows.dtype == np.int64 and rows[:, RECORD].tolist() == [5, 0, 9]
    x, step_x, y, step_y = (rows[:, AXES] / 2**PX_BITS).T
    assert x.tolist() == [0, 96, 128] and y.tolist() == [0, -32, 0]
    assert step_x == pytest.approx([0.8, -1.6, 0.4]) and step_y == pytest.approx([1.28, 2.56, 1.28])
    assert rows[:2, SEEN].tolist() == [[0, 0, 80, 50], [20, 12, 60, 38]], "12.5 and 37.5 rounded to even"
    left, _, right, _ = rows[2, SEEN]
    assert right <= left


def test_colours_and_what_makes_rgb_of_planes_are_one_matrix() -> None:
    frames, which = np.array([[100, 200]] * 3), np.arange(3)
    rgb, yuv = (
        places(views(), frames, which, name, 64)[:, COLOUR].reshape(3, 3, 4) for name in ("rgb", "yuv420")
    )
    assert np.array_equal(rgb[0], 4096 * np.eye(3, 4)) and np.array_equal(rgb[1], 2048 * np.eye(3, 4))
    assert np.abs(yuv[0] / 2**COLOUR_BITS - YUV_TO_RGB[:3]).max() <= 0.5 / 2**COLOUR_BITS
