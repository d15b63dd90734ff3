"""Receptive fields against gradients: which pixels a score at the middle really depends on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tools.models.fields import fields_of
from vision.core.sample import InputSpec
from vision.ssd.build import assemble, elementwise_passed_over
from vision.ssd.variants import find


def seen(detector: nn.Module, side: int) -> tuple[int, int]:
    """(y, x) px between the first and the last pixel that has an influence on the cell at the middle of a map."""
    images = torch.ones(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    maps = detector.extras(detector.base_net(images))  # type: ignore[operator]
    scores = detector.classification_headers(maps)[0]  # type: ignore[operator]
    scores[0, :, scores.shape[2] // 2, scores.shape[3] // 2].sum().backward()
    assert images.grad is not None
    touched = images.grad[0].sum(dim=0) != 0
    sides = [touched.any(dim=axis).nonzero().flatten() for axis in (1, 0)]
    return int(sides[0][-1] - sides[0][0] + 1), int(sides[1][-1] - sides[1][0] + 1)


@pytest.mark.parametrize(
    ("name", "side", "exact"),
    [
        ("mb2-ssd-lite", 320, True),
        ("rfb-lite-mobilenet-v1", 512, True),
        ("yolo-v2-mobilenet-v2", 704, True),
        ("fssd-mobilenet-v2", 576, False),
    ],
)
def test_the_finest_map_sees_what_gradients_touch(name: str, side: int, exact: bool) -> None:
    """All weights alike and no batch statistics, so that no influence cancels another; interpolation is bounded from above."""
    row, spec = find(name), InputSpec(side, side)
    with torch.device("meta"):
        detector = assemble(row, 2, spec, 0.1, "coco")
        _, (finest, *_) = fields_of(detector, torch.empty(1, 3, side, side))
    assert finest is not None
    detector = elementwise_passed_over(assemble(row, 2, spec, 0.1, "coco")).double()  # type: ignore[assignment]
    for parameter in detector.parameters():
        nn.init.constant_(parameter, 1 / parameter[0].numel())
    found, expected = seen(detector, side), finest.size
    assert max(expected) < side, "the image would cut it"
    if exact:
        assert found == expected
    else:
        assert all(0.8 * most < one <= most for one, most in zip(found, expected, strict=True))
