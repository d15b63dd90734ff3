"""Resizing without chance: OpenCV's bilinear, and the device's nearest neighbour recomputed pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.transforms.conftest import MakeSample
from vision.transforms.resize import bilinear, detectnet, resize_sample


@pytest.mark.parametrize(("height", "width"), [(480, 640), (301, 299), (300, 300), (17, 1000), (1, 1)])
def test_the_device_truncates(height: int, width: int) -> None:
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    found = detectnet(image, (30, 40))
    for y in range(30):
        row = min(int(np.float32(y) * (np.float32(height) / np.float32(30))), height - 1)
        for x in range(40):
            column = min(int(np.float32(x) * (np.float32(width) / np.float32(40))), width - 1)
            assert (found[y, x] == image[row, column]).all()


def test_bilinear_is_of_the_asked_size() -> None:
    image = np.random.default_rng(3).integers(0, 256, (480, 640, 3), np.uint8)
    np.testing.assert_array_equal(bilinear(image, (30, 40)), cv2.resize(image, (40, 30)))


def test_boxes_follow_and_only_empty_ones_go(make_sample: MakeSample) -> None:
    boxes = [[0, 0, 200, 100], [50, 50, 50.25, 50.25], [10, 10, 10, 20], [100, 0, 200, 50]]
    shown = resize_sample(make_sample(100, 200, boxes, crowd=[3]), (50, 50))
    assert shown.image.shape == (50, 50, 3) and shown.original_hw == (100, 200) and shown.image_id == 77
    np.testing.assert_allclose(
        shown.boxes_xyxy_px, [[0, 0, 50, 50], [12.5, 25, 12.5625, 25.125], [25, 0, 50, 25]]
    )
    assert shown.labels.tolist() == [1, 2, 4] and shown.is_crowd.tolist() == [False, False, True]
