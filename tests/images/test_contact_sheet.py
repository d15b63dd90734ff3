"""What can be seen of bad images, and the sheet that shows it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.images.corpus import corpus, encoded, middle_zeroed, pixels
from vision.images import contact_sheet
from vision.images.contact_sheet import COLUMNS, THUMBNAIL_WH, draw_sheet, thumbnail


@pytest.fixture(autouse=True)
def strict_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thumbnails make Pillow lenient for the whole process; here that must not outlive the test."""
    monkeypatch.setattr(contact_sheet.ImageFile, "LOAD_TRUNCATED_IMAGES", False)


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


def test_the_sheet_grows_by_rows_and_is_the_same_every_time() -> None:
    tiles = [(pixels(), "train/a.jpg", "truncated: 3×4"), (None, "x" * 80, "missing: " + "word " * 60)]
    one, two = draw_sheet("title", tiles), draw_sheet("title", tiles * COLUMNS)
    assert two.size[0] == one.size[0] and two.size[1] > one.size[1]
    assert one.tobytes() == draw_sheet("title", tiles).tobytes() != draw_sheet("title", tiles[::-1]).tobytes()
    assert draw_sheet("none", []).size[0] == one.size[0]
