"""Published forms are told apart by their names, and renamed as they stand in one table."""

from __future__ import annotations

import pytest
import torch

from vision.nn.weights.key_maps import FORMS, Form, form_of
from vision.nn.weights.normalisation import DEPLOYED, PYTORCH_SSD, PYTORCH_SSD_VGG

HEADS = ["classification_headers.0.weight", "regression_headers.0.weight"]


@pytest.mark.parametrize(
    ("names", "normalisation"),
    [
        (["base_net.0.0.weight", *HEADS], PYTORCH_SSD),
        (["base_net.0.weight", "base_net.31.weight", "base_net.33.weight", *HEADS], PYTORCH_SSD_VGG),
        (["features.0.0.weight"], None),
        (HEADS, None),
    ],
)
def test_a_form_is_told_by_its_names(names: list[str], normalisation: object) -> None:
    form = form_of(names)
    assert (form and form.normalisation) == normalisation


def test_the_first_pattern_that_fits_renames_the_beginning() -> None:
    names = ((r"a\.(\d)\.", r"x.\1.0."), (r"a\.", "y."))
    form = Form("", (), names, DEPLOYED, "")
    found = form.renamed({name: torch.ones(1) for name in ("a.3.a.", "a.33.", "b.a.3.")})
    assert list(found) == ["x.3.0.a.", "y.33.", "b.a.3."]


def test_every_form_has_a_title_and_marks_of_its_own() -> None:
    assert len({form.title for form in FORMS}) == len({form.marks for form in FORMS}) == len(FORMS)
