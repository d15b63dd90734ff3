"""Which frame the boxes of an image are in: the stored one, or the one that its EXIF orientation turns it to.

==============================  =====================================  =========================================
annotated size                  ``stored`` (COCO)                      ``apply`` (photographs labelled upright)
==============================  =====================================  =========================================
only that of the stored frame   stored                                 stored: the boxes are in it
only that of the upright frame  refused                                upright
both (a square, orientations    stored                                 upright: nothing but the option tells;
2 to 4), or none is given                                              counted under a code of its own
==============================  =====================================  =========================================
"""

from __future__ import annotations

from vision.images.formats import FITS_UPRIGHT, STORED, BadImage
from vision.images.orientation import is_turned

UPRIGHT, ASSUMED, NOT_APPLIED = "exif_upright", "exif_upright_assumed", "exif_rotation"
"""The codes of the images that are used; ``formats.FITS_UPRIGHT`` is that of the refusal."""


def choose_frame(
    stored_hw: tuple[int, int], orientation: int, expected_hw: tuple[int, int] | None, exif: str
) -> tuple[int, str | None]:
    """The orientation to apply (1: none), and ``code: words`` for an image whose orientation is not 1.

    :param stored_hw: height and width in px as stored; ``orientation``: EXIF's, 1..8
    :param expected_hw: height and width in px that the annotations give, or None
    :param exif: one of ``vision.images.formats.EXIF_CHOICES``
    :raises BadImage: ``size_mismatch``, or ``exif_size_mismatch`` where ``--exif apply`` would take the image
    """
    upright_hw = stored_hw[::-1] if is_turned(orientation) else stored_hw
    fits_stored, fits_upright = (expected_hw in (None, hw) for hw in (stored_hw, upright_hw))
    stored, expected = _shown(stored_hw), _shown(expected_hw or stored_hw)
    if not (fits_stored or fits_upright):
        raise BadImage(f"size_mismatch: {stored} stored, {expected} in the annotations")
    if orientation == STORED:
        return STORED, None
    if exif == "apply" and fits_upright:
        if fits_stored:
            return (
                orientation,
                f"{ASSUMED}: orientation {orientation} is applied because --exif apply says so, no size tells",
            )
        return orientation, f"{UPRIGHT}: orientation {orientation} is applied, as the annotated size shows"
    if not fits_stored:
        raise BadImage(
            f"{FITS_UPRIGHT}: {stored} stored, {expected} in the annotations, as EXIF orientation {orientation} "
            "turns it (fix: --exif apply)"
        )
    why = "" if exif == "stored" else ": the annotated size is the stored one"
    return STORED, f"{NOT_APPLIED}: orientation {orientation} is not applied{why}"


def _shown(hw: tuple[int, int]) -> str:
    return f"{hw[1]}×{hw[0]}"
