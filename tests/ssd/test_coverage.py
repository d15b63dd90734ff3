"""How well each profile covers real COCO boxes, and the counting itself on boxes small enough to do by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pycocotools.cocoeval import Params

from vision.core.sample import InputSpec
from vision.ssd.build import map_sizes
from vision.ssd.coverage import measure, objects_of
from vision.ssd.priors.generate import make_priors
from vision.ssd.variants import find


def _priors(profile: str) -> torch.Tensor:
    variant = find("mb2-ssd-lite")
    return make_priors(variant.priors[profile], map_sizes(variant, InputSpec()), InputSpec())


def test_counts_by_hand():
    priors = torch.tensor([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]])
    # the first two boxes want the first prior (IoU 1 and 0.36), the third overlaps nothing by half
    boxes = np.array([[0, 0, 0.5, 0.5], [0, 0, 0.3, 0.3], [0.6, 0.6, 0.8, 0.8]])
    areas = np.array([2500, 900, 10_000])
    found = measure([(boxes, areas), (np.zeros((0, 4)), np.zeros(0))], priors)
    assert (found.boxes, found.small, found.medium, found.large) == (3, 0.0, 1.0, 0.0)
    # overwriting: box 1 takes prior 0 from box 0. Ours: box 0 has prior 0, box 2 prior 1; box 1 overlaps only prior 0
    assert found.without_prior_if_overwritten == pytest.approx(1 / 3)
    assert found.without_prior == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("area", "size"), [(1023, "small"), (1024, "medium"), (9215, "medium"), (9216, "large")]
)
def test_sizes_are_bounded_as_coco_bounds_them(area, size):
    """32² and 96² px of the mask, where pycocotools counts an object on a bound in both."""
    parameters = Params(iouType="bbox")
    least, most = parameters.areaRng[parameters.areaRngLbl.index(size)]
    assert least <= area <= most
    found = measure(
        [(np.array([[0, 0, 0.5, 0.5]]), np.array([area]))], torch.tensor([[0.25, 0.25, 0.5, 0.5]])
    )
    assert getattr(found, size) == 1.0
    assert [math.isnan(getattr(found, other)) for other in ("small", "medium", "large") if other != size] == [
        True
    ] * 2


def test_no_boxes_at_all():
    found = measure([], _priors("coco"))
    assert found.boxes == 0
    assert math.isnan(found.small)


@pytest.mark.parametrize("split", ["train", "val"])
def test_ancestor_profile_is_as_coarse_as_published(coco_boxes, split):
    """Published for these priors: 0, 52 and 99 % covered, 11 % of the boxes without a prior.

    A split has a few hundred medium boxes in images of their own style, so theirs varies by some points.
    """
    found = measure(coco_boxes[split], _priors("ancestor"))
    print(f"ancestor, {split}: {found}")
    assert found.small < 0.01
    assert found.medium == pytest.approx(0.52, abs=0.07)
    assert found.large > 0.985
    assert found.without_prior_if_overwritten == pytest.approx(0.11, abs=0.01)
    assert found.without_prior == 0


@pytest.mark.parametrize("split", ["train", "val"])
def test_coco_profile_covers_what_a_19_by_19_map_can(coco_boxes, split):
    """Sizes were chosen on train; the same bounds hold on val, so they are not fitted to these images."""
    found = measure(coco_boxes[split], _priors("coco"))
    print(f"coco, {split}: {found}")
    assert found.small > 0.14
    assert found.medium > 0.78
    assert found.large > 0.97
    assert found.without_prior == 0
    assert found.without_prior_if_overwritten < 0.07


COVERED = {
    "ssd-mobilenet-v2": (0.14, 0.78, 0.97), "sq-ssd-lite": (0.12, 0.73, 0.97), "vgg16-ssd": (0.35, 0.90, 0.98),
    "ssd-vgg16": (0.40, 0.90, 0.98), "yolo-v2-mobilenet-v2": (0.03, 0.42, 0.72), "yolo-v3-mobilenet-v2": (0.42, 0.84, 0.94),
    "ssd-fpn-mobilenet-v2": (0.42, 0.90, 0.98), "classroom": (0.20, 0.83, 0.98),
}  # fmt: skip
"""Small, medium, large: one net of each layout of maps, at its own size."""


@pytest.mark.parametrize("name", COVERED)
def test_the_coco_profile_of_each_layout_covers_as_docs_say(coco_boxes, name):
    row = find(name)
    width, height = row.resolution
    spec = InputSpec(height, width)
    priors = make_priors(row.priors["coco"], map_sizes(row, spec), spec)
    for split in ("train", "val"):
        found = measure(coco_boxes[split], priors)
        print(f"{name}, {split}: {found.small:.1%} {found.medium:.1%} {found.large:.1%}")
        for share, least in zip((found.small, found.medium, found.large), COVERED[name], strict=True):
            assert share > least


class _Data:
    """Ten images of 100 × 50 px with two boxes each, the second a crowd region."""

    def __len__(self) -> int:
        return 10

    def columns(self, *names: str) -> list[np.ndarray]:
        columns = {
            "heights": np.full(10, 50),
            "widths": np.full(10, 100),
            "boxes_xyxy_px": np.tile(np.array([[10, 10, 60, 35], [0, 0, 100, 50]], np.float32), (10, 1)),
            "is_crowd": np.tile([False, True], 10),
            "area": np.arange(20),
            "first_box": np.arange(0, 22, 2),
        }
        return [columns[name] for name in names]


def test_objects_are_spread_evenly_and_without_crowds() -> None:
    found = list(objects_of(_Data(), 4))
    np.testing.assert_allclose([boxes for boxes, _ in found], [[[0.1, 0.2, 0.6, 0.7]]] * 4)
    assert [area.tolist() for _, area in found] == [[0], [6], [12], [18]]


def test_more_than_there_are_means_all() -> None:
    assert len(list(objects_of(_Data(), 1000))) == 10
