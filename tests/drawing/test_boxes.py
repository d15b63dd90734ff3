"""Boxes with names: where they stand, in which colour, and names that neither hide each other nor leave the image."""

from __future__ import annotations

import numpy as np
import pytest

from vision.drawing import boxes as module
from vision.drawing.boxes import Mark, draw_boxes, draw_marks, line_px
from vision.drawing.palette import colour

CLASSES = ["BACKGROUND", *(f"class {label}" for label in range(1, 81))]


def blank(width: int, height: int, value: int = 128) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def of_colour(image: np.ndarray, label: int) -> np.ndarray:
    return (image == colour(label)).all(axis=-1)


@pytest.mark.parametrize("size", [(300, 300), (640, 427), (4000, 3000)])
def test_a_box_has_its_colour_on_its_edge_and_the_image_stays(size: tuple[int, int]) -> None:
    width, height = size
    image, box = blank(*size), np.array([[0.3 * width, 0.5 * height, 0.7 * width, 0.9 * height]])
    drawn = draw_boxes(image, box, np.array([3]), CLASSES)
    assert (image == 128).all() and drawn.shape == image.shape and drawn.dtype == np.uint8
    rows, columns = np.nonzero(of_colour(drawn, 3))
    x1, y1, x2, y2 = box[0].round()
    assert columns.min() == x1 and columns.max() == x2 and rows.max() == y2 and rows.min() < y1
    middle = drawn[round(0.7 * height), :, :]
    assert of_colour(middle, 3).sum() == 2 * line_px(width, height)
    assert not (drawn[round(0.7 * height), round(0.5 * width)] != 128).any()


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[float, float, float, float]]]:
    """(text, area) of all that is written."""
    written: list[tuple[str, tuple[float, float, float, float]]] = []

    class Line(module.Line):
        def draw(self, pen, x, y, ink) -> None:  # type: ignore[no-untyped-def]
            written.append((self.text, (x, y, x + self.width, y + self.height)))
            super().draw(pen, x, y, ink)

    monkeypatch.setattr(module, "Line", Line)
    return written


@pytest.mark.parametrize("size", [(60, 40), (300, 300), (1200, 300), (4000, 3000)])
def test_names_do_not_hide_each_other_and_stay_on_the_image(
    size: tuple[int, int], places: list[tuple[str, tuple[float, float, float, float]]]
) -> None:
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(-0.2, 1.2, (80, 2, 2)), axis=1) * size
    drawn = draw_boxes(blank(*size), corners.reshape(80, 4), np.arange(1, 81), CLASSES, rng.uniform(0, 1, 80))
    assert drawn.shape == (size[1], size[0], 3) and places
    areas = np.array([area for _, area in places])
    assert areas.min() >= 0 and (areas[:, 2] <= size[0]).all() and (areas[:, 3] <= size[1] + 1).all()
    for number, (x1, y1, x2, y2) in enumerate(areas):
        others = np.delete(areas, number, axis=0)
        hides = (others[:, 0] < x2) & (others[:, 2] > x1) & (others[:, 1] < y2) & (others[:, 3] > y1)
        assert not hides.any()


def test_the_most_likely_is_named_first_in_full(
    places: list[tuple[str, tuple[float, float, float, float]]],
) -> None:
    same = np.tile([[100.0, 100.0, 160.0, 160.0]], (12, 1))
    draw_boxes(blank(300, 300), same, np.arange(1, 13), CLASSES, np.linspace(0.1, 0.93, 12))
    names = [text for text, _ in places]
    assert names[:2] == ["class 12 0.93", "class 11 0.85"] and len(names) == len(set(names))


def test_boxes_off_the_image_and_no_numbers() -> None:
    image = blank(100, 100)
    odd = [[-50, -50, -10, -10], [np.nan, 0, 10, 10], [0, 0, np.inf, 10], [200, 0, 300, 100]]
    assert (draw_boxes(image, np.array(odd), np.array([1, 2, 3, 4]), CLASSES) == image).all()
    around = draw_marks(image, [Mark((-20, -20, 500, 500), (1, 2, 3))])
    assert (around[[0, 99]] == (1, 2, 3)).all() and (around[:, [0, 99]] == (1, 2, 3)).all()
    assert (draw_boxes(image, np.zeros((0, 4)), np.zeros(0), CLASSES) == image).all()
    draw_boxes(image, np.array([[50, 50, 50, 50], [99, 99, 99, 99]]), np.array([1, 2]), CLASSES)


@pytest.mark.parametrize("value", [0, 255])
def test_a_box_of_the_ground_s_colour_is_seen(value: int) -> None:
    drawn = draw_marks(blank(200, 200, value), [Mark((50, 50, 150, 150), (value, value, value))])
    assert (drawn != value).any(axis=-1).sum() > 400
