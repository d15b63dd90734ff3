"""The table of frames: every orientation, size and option, and that what is said is what is decoded."""

from __future__ import annotations

import pytest

from tests.images.corpus import encoded, pixels
from tests.images.test_orientation import exif
from vision.images.decode import check_image, decode_rgb

H, W = 37, 51
WIDE = pixels()[:H, :W]
SQUARE = pixels()[:40, :40]


def jpeg(orientation: int, square: bool = False) -> bytes:
    return encoded(SQUARE if square else WIDE, "JPEG", exif=exif(orientation))


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_photograph_labelled_upright_is_refused_with_the_fix_and_taken_with_it(orientation: int) -> None:
    data = jpeg(orientation)
    refused = check_image(data, "a.jpg", (W, H))
    assert refused.verdict == "reject" and (refused.width, refused.height) == (W, H)
    reason = refused.reason or ""
    assert reason.startswith("exif_size_mismatch: 51×37 stored, 37×51 in the annotations")
    assert f"EXIF orientation {orientation}" in reason and reason.endswith("(fix: --exif apply)")
    taken = check_image(data, "a.jpg", (W, H), exif="apply")
    assert (taken.verdict, taken.orientation) == ("convert", orientation)
    assert taken.reason == f"exif_upright: orientation {orientation} is applied, as the annotated size shows"
    assert decode_rgb(data, upright=True).shape[:2] == (taken.height, taken.width) == (W, H)


@pytest.mark.parametrize("exif_option", ["stored", "apply"])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_of_the_stored_frame_keep_it(orientation: int, exif_option: str) -> None:
    found = check_image(jpeg(orientation), "a.jpg", (H, W), exif=exif_option)
    assert (found.verdict, found.orientation, found.width, found.height) == ("convert", 1, W, H)
    assert (found.reason or "").startswith(f"exif_rotation: orientation {orientation} is not applied")


@pytest.mark.parametrize(
    ("orientation", "square"), [(2, False), (3, False), (4, False), (6, True), (8, True)]
)
def test_where_no_size_tells_the_option_decides_under_its_own_code(orientation: int, square: bool) -> None:
    data, size = jpeg(orientation, square), SQUARE.shape[:2] if square else (H, W)
    stored = check_image(data, "a.jpg", size)
    assert stored.orientation == 1 and (stored.reason or "").startswith("exif_rotation: ")
    applied = check_image(data, "a.jpg", size, exif="apply")
    assert applied.orientation == orientation and (applied.reason or "").startswith("exif_upright_assumed: ")
    assert "; " not in (applied.reason or "")  # it joins reasons


@pytest.mark.parametrize("exif_option", ["stored", "apply"])
def test_sizes_that_fit_no_frame_are_refused(exif_option: str) -> None:
    for orientation in (1, 3, 6):
        found = check_image(jpeg(orientation), "a.jpg", (H, W + 1), exif=exif_option)
        assert found.verdict == "reject" and (found.reason or "").startswith("size_mismatch: 51×37 stored")
    exchanged = check_image(jpeg(1), "a.jpg", (W, H), exif=exif_option)  # no EXIF explains it
    assert (exchanged.reason or "").startswith("size_mismatch: ")


def test_an_image_without_orientation_does_not_feel_the_option() -> None:
    for size in (None, (H, W)):
        assert check_image(jpeg(1), "a.jpg", size, exif="apply") == check_image(jpeg(1), "a.jpg", size)
