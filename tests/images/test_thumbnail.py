"""What can be seen of bad images."""

from __future__ import annotations

import numpy as np
import pytest

from tests.images.corpus import corpus, encoded, middle_zeroed, pixels
from vision.images import thumbnail as module
from vision.images.thumbnail import THUMBNAIL_WH, thumbnail


@pytest.fixture(autouse=True)
def strict_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thumbnails make Pillow lenient for the whole process; here that must not outlive the test."""
    monkeypatch.setattr(module.ImageFile, "LOAD_TRUNCATED_IMAGES", False)


def test_every_odd_image_gives_a_small_one_or_nothing() -> None:
    for odd in corpus():
        seen = thumbnail(odd.data)
        if seen is not None:
            assert seen.dtype == np.uint8 and seen.shape[2] == 3, odd.name
            assert seen.shape[1] <= THUMBNAIL_WH[0] and seen.shape[0] <= THUMBNAIL_WH[1], odd.name
        assert seen is not None or odd.verdict == "reject", odd.name


def test_the_good_part_of_a_damaged_image_is_seen() -> None:
    data = encoded(pixels(), "JPEG", quality=95)
    whole, damaged = thumbnail(data), thumbnail(middle_zeroed(data))
    assert whole is not None and damaged is not None
    assert np.array_equal(whole[:40], damaged[:40]) and not np.array_equal(whole, damaged)
