"""What a record says of its image: geometry, colours, the stated formulas."""

from __future__ import annotations

import numpy as np
import pytest

from vision.images.packs.pixels import RGB_TO_YUV, YUV_TO_RGB, encode, planes, reduced, to_rgb
from vision.images.packs.record import raw_bytes


def smooth(height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8: ramps along both sides, and their product."""
    y, x = np.mgrid[0:height, 0:width]
    ramps = [255 * x / (width - 1), 255 * y / (height - 1), 255 * x * y / ((width - 1) * (height - 1))]
    return np.stack(ramps, axis=-1).round().astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def read(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)


@pytest.mark.parametrize("pack_format", ["rgb", "yuv420", "grey"])
@pytest.mark.parametrize("hw", [(90, 120), (200, 40), (40, 50), (64, 64)])
def test_a_raw_record_has_its_size_and_shows_the_stretched_image(
    pack_format: str, hw: tuple[int, int]
) -> None:
    image = smooth(*hw)
    data = encode(image, pack_format, 64)
    assert len(data) == raw_bytes(pack_format, 64) and data == encode(image.copy(), pack_format, 64)
    shown, expected = to_rgb(read(data), pack_format, 64), reduced(image, 64, 64)
    if pack_format == "grey":
        luma = expected @ RGB_TO_YUV[0, :3]
        assert np.abs(shown.astype(float) - luma[..., None]).max() <= 0.51
    else:
        assert np.array_equal(shown, expected) if pack_format == "rgb" else psnr(shown, expected) > 38


def test_yuv_is_jfif_with_planes_one_after_the_other() -> None:
    image = np.empty((64, 64, 3), np.uint8)
    image[:, :32], image[:, 32:] = (200, 30, 90), (10, 250, 40)
    luma, u, v = planes(read(encode(image, "yuv420", 64)), "yuv420", 64)
    assert (luma.shape, u.shape, v.shape) == ((64, 64), (32, 32), (32, 32))
    for column, rgb in ((0, (200, 30, 90)), (63, (10, 250, 40))):
        r, g, b = rgb
        y = 0.299 * r + 0.587 * g + 0.114 * b
        expected = (y, 128 + 0.564 * (b - y), 128 + 0.713 * (r - y))
        found = (luma[0, column], u[0, column // 2], v[0, column // 2])
        assert np.allclose(found, expected, atol=1)
    assert np.allclose(YUV_TO_RGB[:3] @ [128, 128, 228, 1], [128 + 140.2, 128 - 71.4136, 128], atol=1e-3)


def test_what_shrinks_is_averaged_and_does_not_alias() -> None:
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(reduced(stripes, 64, 64).astype(int) - 128).max() <= 1
    assert reduced(stripes, 64, 256).shape == (64, 256, 3), "one side shrinks, the other grows"


def test_a_jpeg_keeps_its_aspect_and_is_never_enlarged() -> None:
    for hw, shown_hw in (
        ((90, 120), (48, 64)),
        ((120, 30), (64, 16)),
        ((40, 50), (40, 50)),
        ((2000, 3), (64, 1)),
    ):
        shown = to_rgb(
            read(encode(smooth(*hw) if min(hw) > 3 else np.zeros((*hw, 3), np.uint8), "jpeg", 64)), "jpeg", 64
        )
        assert shown.shape[:2] == shown_hw
    image = smooth(90, 120)
    assert psnr(to_rgb(read(encode(image, "jpeg", 64)), "jpeg", 64), reduced(image, 48, 64)) > 33
