"""The fast sampler against bilinear interpolation in float64, wherever the window begins."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vision.transforms import window

SIDE = 96


def smooth(channels: int) -> np.ndarray:
    noise = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, channels), np.uint8)
    image = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    return image.reshape(SIDE, SIDE, channels) if channels > 1 else image.reshape(SIDE, SIDE)


def exact(
    image: np.ndarray, start_xy: tuple[float, float], step_xy: tuple[float, float], size_hw: tuple[int, int]
) -> np.ndarray:
    """Bilinear in float64, border pixels going on."""
    pixels = image.astype(np.float64)
    for axis, (start, step, count) in enumerate(zip(start_xy[::-1], step_xy[::-1], size_hw, strict=True)):
        at = (start + (np.arange(count) + 0.5) * step - 0.5).clip(0, SIDE - 1)
        low = np.floor(at).astype(int)
        share = (at - low).reshape([-1 if each == axis else 1 for each in range(pixels.ndim)])
        high = (low + 1).clip(max=SIDE - 1)
        pixels = pixels.take(low, axis) * (1 - share) + pixels.take(high, axis) * share
    return pixels


@pytest.mark.parametrize("channels", [1, 3])
def test_against_float64(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows inside, at the borders, and the whole; upwards and downwards."""
    image, draw, warped, off = smooth(channels), np.random.default_rng(2), [], []
    image.flags.writeable = False
    monkeypatch.setattr(window, "_warped", lambda *given, of=window._warped: warped.append(1) or of(*given))
    for number in range(200):
        sides = draw.uniform(0.3, 1, 2) * SIDE if number % 4 else np.array([SIDE, SIDE])
        start = draw.uniform(-0.01, 1, 2) * (SIDE - sides) if number % 4 else draw.uniform(-0.6, 0.6, 2)
        size_hw = (int(draw.integers(20, 120)), int(draw.integers(20, 120)))
        step = sides / size_hw[::-1]
        shown = window.sampled(
            image, tuple(start.tolist()), tuple(step.tolist()), size_hw, window.scratch_for(size_hw)
        ).copy()
        assert shown.shape[:2] == size_hw and shown.dtype == np.uint8
        off.append(np.abs(shown - exact(image, tuple(start.tolist()), tuple(step.tolist()), size_hw)))
    assert max(each.max() for each in off) < 12 and np.mean([each.mean() for each in off]) < 0.6
    assert len(warped) < 40, "most windows take the fast way"


def test_a_window_at_whole_pixels_is_the_image_itself() -> None:
    image = smooth(3)
    assert np.array_equal(
        window.sampled(image, (5.0, 7.0), (1.0, 1.0), (20, 30), window.scratch_for((20, 30))),
        image[7:27, 5:35],
    )
    assert np.array_equal(
        window.sampled(image, (0.0, 0.0), (SIDE / 64, SIDE / 64), (64, 64), window.scratch_for((64, 64))),
        cv2.resize(image, (64, 64)),
    )
