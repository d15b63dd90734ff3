"""What the device does around the network, on cases small enough to do by hand (c/detectNet.cpp, c/tensorNet.cpp)."""

from __future__ import annotations

import numpy as np
import pytest

from vision.core.sample import InputSpec
from vision.export import detectnet

HW = (480, 640)


def _found(scores: list[list[float]], boxes: list[list[float]], threshold: float = 0.5) -> list[tuple]:
    corners, values, labels = detectnet.cluster_detections(
        np.array(scores, np.float32), np.array(boxes, np.float32), HW, threshold
    )
    assert (corners.dtype, values.dtype, labels.dtype) == (np.float32, np.float32, np.int64)
    rows = zip(corners.round(4).tolist(), values.round(4).tolist(), labels.tolist(), strict=True)
    return [(tuple(box), score, label) for box, score, label in rows]


def near(rows: list[tuple]) -> list[tuple]:
    return [
        (pytest.approx(box, abs=1e-4), pytest.approx(score, abs=1e-4), label) for box, score, label in rows
    ]


def test_pixels_as_the_network_gets_them() -> None:
    image = np.array([[[0, 51, 255], [255, 127, 128]]], np.uint8)
    fed = detectnet.network_input(image)
    assert fed.shape == (1, 3, 1, 2) and fed.dtype == np.float32 and fed.flags.c_contiguous
    np.testing.assert_allclose(fed[0, :, 0, 0], [-1, -0.6, 1], atol=1e-6)  # red, green, blue planes
    np.testing.assert_allclose(fed[0, :, 0, 1], [1, -1 / 255, 1 / 255], atol=1e-6)


def test_the_resize_truncates_and_keeps_no_aspect() -> None:
    """5 → 3 columns: ⌊0⌋, ⌊1.67⌋, ⌊3.33⌋."""
    image = np.arange(5, dtype=np.uint8)[None, :, None].repeat(2, axis=0).repeat(3, axis=2)
    assert detectnet.resize(image, InputSpec(height=4, width=3))[..., 0].tolist() == [[0, 1, 3]] * 4


def test_a_prior_speaks_for_its_best_class_that_is_not_background() -> None:
    """Background may be likelier: detectNet does not look at it. 0.4 is below the threshold."""
    scores = [[0.45, 0.05, 0.5], [0.1, 0.5, 0.4], [0.2, 0.4, 0.4]]
    boxes = [[0, 0, 0.1, 0.1], [0.3, 0.3, 0.6, 0.6], [0.7, 0.7, 0.9, 0.9]]
    rows = _found(scores, boxes)
    assert rows == near([((0.3, 0.3, 0.6, 0.6), 0.5, 1), ((0, 0, 0.1, 0.1), 0.5, 2)])  # the larger one first
    assert len(_found(scores, boxes, 0.3)) == 3 and not _found(scores, boxes, 0.6)


def test_boxes_that_lie_on_each_other_become_their_union() -> None:
    """Intersection 0.4 · 0.38 over the larger area 0.4 · 0.4: 0.95 > 0.75. The union is wider than both."""
    boxes = [[0.1, 0.1, 0.5, 0.5], [0.1, 0.12, 0.5, 0.52]]
    assert _found([[0, 0.6], [0, 0.9]], boxes) == near([((0.1, 0.1, 0.5, 0.52), 0.9, 1)])
    assert len(_found([[0, 0.6, 0], [0, 0, 0.9]], boxes)) == 2  # of two classes


@pytest.mark.parametrize(("width", "merged"), [(0.40, True), (0.31, True), (0.29, False), (0.1, False)])
def test_a_small_box_inside_a_large_one_is_not_merged(width: float, merged: bool) -> None:
    """Of 0.4: 0.31 / 0.4 = 0.775 is merged, 0.29 / 0.4 = 0.725 is not. NMS would drop all of them but the last."""
    rows = _found([[0, 0.9], [0, 0.8]], [[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.1 + width, 0.5]])
    assert (len(rows) == 1) == merged
    assert rows[0] == near([((0.1, 0.1, 0.5, 0.5), 0.9, 1)])[0]


def test_boxes_are_cut_at_the_last_pixel_after_merging() -> None:
    rows = _found([[0, 0.9], [0, 0.8]], [[-0.2, -0.1, 0.5, 1.2], [-0.1, -0.1, 0.5, 1.2]])
    assert rows == near([((0, 0, 0.5, 479 / 480), 0.9, 1)])


@pytest.mark.parametrize(
    ("right_px", "shown_px"), [(638.5, 638.5), (639.5, 639.5), (640.0, 639.0), (700.0, 639.0)]
)
def test_only_what_reaches_the_width_becomes_the_last_pixel(right_px: float, shown_px: float) -> None:
    """``if( Right >= width ) Right = width - 1``: 639.5 is left alone. An image of 640 × 480."""
    ((box, _, _),) = _found([[0, 0.9]], [[0.1, 0.1, right_px / 640, 0.5]])
    assert box[2] * 640 == pytest.approx(shown_px, abs=0.05)


def test_a_box_beside_the_image_keeps_the_side_that_the_device_does_not_look_at() -> None:
    """Left is held against 0 alone there, right against the width alone."""
    ((box, _, _),) = _found([[0, 0.9]], [[1.2, 0.1, 1.4, 0.5]])
    assert box == pytest.approx((1.2, 0.1, 639 / 640, 0.5), abs=1e-4)


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_what_is_not_a_number_is_not_shown_and_hides_nothing(odd: float) -> None:
    """A class that is NaN is passed over by the device's comparison; the prior's next best class speaks."""
    scores = [[0.0, np.nan, 0.6], [0.0, 0.9, 0.0], [0.0, 0.8, 0.1]]
    boxes = [[0.0, 0.0, 0.1, 0.1], [0.2, 0.2, odd, 0.9], [0.5, 0.5, 0.9, 0.9]]
    assert _found(scores, boxes) == near([((0.5, 0.5, 0.9, 0.9), 0.8, 1), ((0, 0, 0.1, 0.1), 0.6, 2)])


def test_nothing_found_has_the_shape_of_something() -> None:
    corners, values, labels = detectnet.cluster_detections(
        np.zeros((5, 3), np.float32), np.zeros((5, 4), np.float32), HW
    )
    assert (corners.shape, values.shape, labels.shape) == ((0, 4), (0,), (0,))
