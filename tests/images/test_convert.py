"""The stated conversion, on arrays small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vision.images.convert import to_rgb8
from vision.images.formats import BadImage


def row(*values: object, dtype: type = np.uint8) -> np.ndarray:
    return np.array([values], dtype=dtype)


def test_grey_is_repeated() -> None:
    assert to_rgb8(row(0, 7, 255)).tolist() == [[[0, 0, 0], [7, 7, 7], [255, 255, 255]]]
    assert to_rgb8(row([9])).tolist() == [[[9, 9, 9]]]


def test_bits_become_black_and_white() -> None:
    assert to_rgb8(row(True, False, dtype=np.bool_))[0, :, 0].tolist() == [255, 0]


def test_sixteen_bits_keep_the_high_byte() -> None:
    assert to_rgb8(row(0x00FF, 0x0100, 0xFFFF, dtype=np.uint16))[0, :, 0].tolist() == [0, 1, 255]


def test_alpha_is_dropped() -> None:
    assert to_rgb8(row([1, 2, 3, 0])).tolist() == [[[1, 2, 3]]]
    assert to_rgb8(row([5, 0])).tolist() == [[[5, 5, 5]]]


def test_cmyk() -> None:
    # (255 − 55)(255 − 105) / 255 = 117.6; (255 − 0)(150) / 255 = 150; (255 − 255) = 0
    assert to_rgb8(row([55, 0, 255, 105]), "cmyk").tolist() == [[[118, 150, 0]]]
    assert to_rgb8(row([200, 255, 0, 150]), "cmyk_inverted").tolist() == [[[118, 150, 0]]]


def test_cmyk_in_strips_is_the_same_as_at_once() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (150, 7, 4), dtype=np.uint8)
    light = 255.0 - pixels
    expected = np.floor(light[:, :, :3] * light[:, :, 3:] / 255 + 0.5 - 1e-9)
    assert np.abs(to_rgb8(pixels, "cmyk") - expected).max() == 0


def test_the_result_is_contiguous() -> None:
    assert to_rgb8(np.zeros((4, 5, 4), np.uint8)).flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64, np.uint32, object])
def test_samples_without_a_range_are_refused(dtype: type) -> None:
    with pytest.raises(BadImage, match=r"a\.tif: unsupported_depth"):
        to_rgb8(np.zeros((2, 2), dtype), where="a.tif")


@pytest.mark.parametrize("shape", [(4,), (2, 2, 5), (2, 2, 2, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadImage, match="unsupported_channels"):
        to_rgb8(np.zeros(shape, np.uint8))


def test_cmyk_needs_four_channels() -> None:
    with pytest.raises(BadImage, match="CMYK with 3"):
        to_rgb8(np.zeros((2, 2, 3), np.uint8), "cmyk")
