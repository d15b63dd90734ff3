"""Pixels through a view: against the plain chain canvas → crop → flip → resize, and by recognisable content."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.transforms.conftest import MakeSample
from vision.transforms import colour
from vision.transforms.augment import show
from vision.transforms.geometry import View, whole


def plain_chain(image: np.ndarray, view: View, fill: int) -> np.ndarray:
    """Colour, the whole canvas, crop, flip, cv2.resize: what textbook SSD code does. Integer windows only."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (int(n) for n in view.window_xyxy_px)
    if view.colour is not None:
        flat = np.concatenate([image.reshape(-1, 3), np.ones((height * width, 1))], axis=1) @ view.colour.T
        image = flat.round().clip(0, 255).astype(np.uint8).reshape(image.shape)
    margin = 2000
    canvas = np.full((height + 2 * margin, width + 2 * margin, 3), fill, np.uint8)
    canvas[margin : margin + height, margin : margin + width] = image
    cut = canvas[margin + y1 : margin + y2, margin + x1 : margin + x2]
    cut = cut[:, ::-1] if view.mirrored else cut
    return cv2.resize(np.ascontiguousarray(cut), view.result_hw[::-1])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(
    "window",
    [(0, 0, 200, 150), (30, 20, 180, 140), (-60, -30, 340, 270), (-50, 40, 100, 190), (0, 0, 90, 80)],
)
@pytest.mark.parametrize("size_hw", [None, (96, 128)])
@pytest.mark.parametrize("coloured", [False, True])
def test_pixels_are_those_of_the_plain_chain(
    make_sample: MakeSample,
    window: tuple[int, ...],
    mirrored: bool,
    size_hw: tuple[int, int] | None,
    coloured: bool,
) -> None:
    matrix = (
        colour.combined(colour.brightness(20), colour.hue(15), colour.contrast(0.8)) if coloured else None
    )
    view = View(window, mirrored, matrix, size_hw=size_hw)  # type: ignore[arg-type]
    sample = make_sample(150, 200)
    found, expected = show(sample, view, 128, 1.0).image, plain_chain(sample.image, view, 128)
    assert found.shape == expected.shape and found.dtype == np.uint8 and found.flags.c_contiguous
    difference = np.abs(found.astype(int) - expected.astype(int)).max(axis=2)
    assert np.percentile(difference, 95) <= 2, "rounding of bilinear weights"
    filled = (expected == 128).all(axis=2)
    seam = np.ones_like(filled)  # the half pixel between image and fill, which only the plain chain blends
    seam[cv2.erode(filled.astype(np.uint8), np.ones((5, 5))) > 0] = False
    seam[cv2.erode((~filled).astype(np.uint8), np.ones((5, 5))) > 0] = False
    assert difference[~seam].max(initial=0) <= 4


@given(
    x=st.floats(-300, 150), y=st.floats(-200, 100), w=st.floats(20, 700), h=st.floats(20, 500),
    mirrored=st.booleans(),
)  # fmt: skip
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_box_stays_on_its_object(
    make_sample: MakeSample, x: float, y: float, w: float, h: float, mirrored: bool
) -> None:
    """A red rectangle on black: where the red is, there is the box."""
    sample = make_sample(150, 200, [[60, 40, 120, 90]])
    image = np.zeros((150, 200, 3), np.uint8)
    image[40:90, 60:120, 0] = 255
    view = View((x, y, x + w, y + h), mirrored, size_hw=(300, 300))
    shown = show(replace(sample, image=image), view, 0, 0.0)
    rows, columns = np.nonzero(shown.image[..., 0] > 127)
    if not len(shown.boxes_xyxy_px):
        assert len(rows) <= 300
        return
    x1, y1, x2, y2 = shown.boxes_xyxy_px[0]
    if x2 - x1 > 2 and y2 - y1 > 2:
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        slack = 1.0 + 0.5 * max(300 / w, 300 / h)  # bilinear spreads an edge over one px of the image
        np.testing.assert_allclose(found, [x1, y1, x2, y2], atol=slack)


def test_a_window_beside_the_image_is_all_fill(make_sample: MakeSample) -> None:
    shown = show(make_sample(50, 60, [[0, 0, 9, 9]]), View((100, 100, 200, 200), size_hw=(30, 40)), 128, 1.0)
    assert shown.image.shape == (30, 40, 3) and (shown.image == 128).all() and not len(shown.labels)


def test_colours_saturate_and_fill_is_left_alone(make_sample: MakeSample) -> None:
    view = View((-50, 0, 100, 50), colour=colour.combined(colour.brightness(300)))
    shown = show(make_sample(50, 100), view, 128, 1.0).image
    assert (shown[:, 50:] == 255).all() and (shown[:, :50] == 128).all()


def test_what_goes_in_stays_as_it_was(make_sample: MakeSample) -> None:
    sample = make_sample(50, 60, [[1, 2, 30, 40]])
    image, boxes = sample.image.copy(), sample.boxes_xyxy_px.copy()
    shown = show(sample, whole(50, 60), 128, 1.0)
    shown.image[:] = 0
    shown.boxes_xyxy_px[:] = 0
    np.testing.assert_array_equal(sample.image, image)
    np.testing.assert_array_equal(sample.boxes_xyxy_px, boxes)


@pytest.mark.parametrize("stored_hw", [(75, 100), (150, 150), (120, 240)])
@pytest.mark.parametrize(
    "view", [View((20, 10, 140, 130), True, size_hw=(60, 90)), View((-90, 30, 160, 400), size_hw=(64, 64))]
)
def test_an_image_stored_at_another_size_is_seen_through_the_same_window(
    make_sample: MakeSample, view: View, stored_hw: tuple[int, int]
) -> None:
    """What is at a point of the frame is shown at the same place, from wherever its pixels come."""
    sample = make_sample(150, 200, [[30, 30, 90, 120]])
    packed = replace(sample, image=cv2.resize(sample.image, stored_hw[::-1]), frame_hw=(150, 200))
    one, other = (show(each, view, 128, 1.0) for each in (sample, packed))
    assert np.array_equal(one.boxes_xyxy_px, other.boxes_xyxy_px)
    difference = np.abs(one.image.astype(int) - other.image)
    assert difference.mean() < 5 and np.percentile(difference, 99) < 40
