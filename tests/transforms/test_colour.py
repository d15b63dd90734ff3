"""The colour matrices against the definitions of what they change, in floats and one pixel at a time."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

from vision.transforms import colour

PIXELS = np.random.default_rng(1).uniform(60, 180, (200, 3))
WEIGHTS = (0.299, 0.587, 0.114)


def through(matrix: np.ndarray) -> np.ndarray:
    return (np.concatenate([PIXELS, np.ones((len(PIXELS), 1))], axis=1) @ matrix.T)[:, :3]


def test_brightness_and_contrast() -> None:
    np.testing.assert_allclose(through(colour.brightness(-12.5)), PIXELS - 12.5)
    np.testing.assert_allclose(through(colour.contrast(1.3)), PIXELS * 1.3)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.5])
def test_saturation_moves_away_from_grey(factor: float) -> None:
    for pixel, found in zip(PIXELS, through(colour.saturation(factor)), strict=True):
        grey = sum(w * c for w, c in zip(WEIGHTS, pixel, strict=True))
        np.testing.assert_allclose(found, [grey + factor * (c - grey) for c in pixel])


@pytest.mark.parametrize("degrees", [-18.0, 7.0, 18.0])
def test_hue_turns_chrominance_and_keeps_luma(degrees: float) -> None:
    """Against the standard library's YIQ, whose coefficients are rounded to two digits."""
    for pixel, found in zip(PIXELS, through(colour.hue(degrees)), strict=True):
        y, i, q = colorsys.rgb_to_yiq(*pixel)
        y2, i2, q2 = colorsys.rgb_to_yiq(*found)
        turned = (i + 1j * q) * np.exp(1j * np.radians(degrees))
        assert (y2, i2, q2) == pytest.approx((y, turned.real, turned.imag), abs=2.0)


def test_greys_stay_grey_and_nothing_is_no_change() -> None:
    for matrix in (colour.hue(18), colour.saturation(0.3)):
        np.testing.assert_allclose(matrix @ [90, 90, 90, 1], [90, 90, 90, 1], atol=1e-9)
    for nothing in (colour.hue(0), colour.saturation(1), colour.contrast(1), colour.brightness(0)):
        np.testing.assert_allclose(nothing, np.eye(4), atol=1e-12)


def test_hue_turns_back_and_full_circles_are_none() -> None:
    np.testing.assert_allclose(colour.hue(25) @ colour.hue(-25), np.eye(4), atol=1e-12)
    np.testing.assert_allclose(colour.hue(360), np.eye(4), atol=1e-12)


def test_combined_does_one_after_another() -> None:
    both = colour.combined(colour.brightness(10), colour.contrast(2))
    assert both.shape == (3, 4) and both.dtype == np.float32
    np.testing.assert_allclose(both @ [1, 2, 3, 1], [22, 24, 26])
    np.testing.assert_allclose(colour.combined(), np.eye(4)[:3])
