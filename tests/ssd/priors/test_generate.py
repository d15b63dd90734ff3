"""Priors against torchvision's generator, a NumPy loop and the published table."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList

from vision.core.boxes import xyxy_to_cxcywh
from vision.core.sample import InputSpec
from vision.ssd.build import build_detector, map_sizes
from vision.ssd.priors.generate import make_priors
from vision.ssd.priors.profiles import MapPriors, PriorProfile, ssd_shapes
from vision.ssd.variants import find

MAPS = [(19, 19), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)]
PROFILES = find("mb2-ssd-lite").priors


def test_ancestor_priors_are_torchvisions():
    """The same table as scales and steps: sizes 60, 105 … 330 of 300 px, strides 16 … 300."""
    generator = DefaultBoxGenerator(
        [[2, 3]] * 6,
        scales=[size / 300 for size in (60, 105, 150, 195, 240, 285, 330)],
        steps=[16, 32, 64, 100, 150, 300],
    )
    images = ImageList(torch.zeros(1, 3, 300, 300), [(300, 300)])
    expected = xyxy_to_cxcywh(generator(images, [torch.zeros(1, 8, *hw) for hw in MAPS])[0] / 300)
    priors = make_priors(PROFILES["ancestor"], MAPS, InputSpec())
    assert priors.shape == (3000, 4)
    torch.testing.assert_close(priors, expected.clamp(0, 1), atol=1e-6, rtol=0)


def test_published_counts_of_each_map():
    counts = [h * w * n for (h, w), n in zip(MAPS, PROFILES["ancestor"].shapes_per_cell, strict=True)]
    assert counts == [2166, 600, 150, 54, 24, 6]
    assert PROFILES["coco"].shapes_per_cell == PROFILES["ancestor"].shapes_per_cell


def test_order_in_a_cell_by_hand():
    """min 0.2, max 0.8: squares of 0.2 and √0.16 = 0.4, then for r = 4 (0.4, 0.1) and (0.1, 0.4)."""
    expected = [(0.2, 0.2), (0.4, 0.4), (0.4, 0.1), (0.1, 0.4)]
    for found, wanted in zip(ssd_shapes(0.2, 0.8, [4]), expected, strict=True):
        assert found == pytest.approx(wanted)


@pytest.mark.parametrize("profile", ["coco", "ancestor"])
@pytest.mark.parametrize("hw", [(96, 128), (160, 96), (288, 512), (300, 300)])
def test_any_resolution_against_a_loop(profile, hw):
    spec = InputSpec(*hw)
    maps = map_sizes(find("mb2-ssd-lite"), spec, 0.25)
    rows = []
    for (h, w), single in zip(maps, PROFILES[profile].maps, strict=True):
        for y in range(h):
            for x in range(w):
                for width, height in single.shapes:
                    across = single.cells_at_300 if single.cells_at_300 and hw[1] == 300 else w
                    down = single.cells_at_300 if single.cells_at_300 and hw[0] == 300 else h
                    rows.append([(x + 0.5) / across, (y + 0.5) / down, width, height])
    np.testing.assert_allclose(
        make_priors(PROFILES[profile], maps, spec).numpy(), np.minimum(rows, 1), atol=1e-6
    )


@pytest.mark.parametrize(
    "hw", [(96, 96), (96, 128), (128, 96), (160, 160), (300, 300), (301, 333), (320, 576)]
)
def test_maps_are_those_of_the_real_net(hw):
    """Each of the strides 2 rounds up, down to 1 × 1: the sizes by arithmetic, and the real net's output."""
    row, spec = find("mb2-ssd-lite"), InputSpec(*hw)
    strides = [4, 5, 6, 7, 8, 9]  # doublings
    sizes = [tuple(max(1, math.ceil(side / 2**k)) for side in hw) for k in strides]
    assert map_sizes(row, spec) == sizes
    detector = build_detector(row, 3, spec, 0.25).eval()
    with torch.no_grad():
        logits, offsets = detector(torch.zeros(1, 3, *hw))
    assert logits.shape == (1, len(detector.priors_cxcywh), 3)
    assert offsets.shape == (1, len(detector.priors_cxcywh), 4)


def test_map_sizes_draw_no_random_numbers():
    before = torch.get_rng_state()
    map_sizes(find("mb2-ssd-lite"), InputSpec(96, 96))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_profile_for_another_net_is_refused():
    profile = PriorProfile("one", (MapPriors(((0.1, 0.1),)),))
    with pytest.raises(ValueError, match="'one' has 1 maps, the net has 6"):
        make_priors(profile, MAPS, InputSpec())


def test_the_profile_for_coco_is_the_published_one():
    """docs/ssd.md: sizes as sides of a square of the same area, ratios of width to height tilted by 0.8."""
    even, narrow_wide = (1.0, 2.4, 1 / 2.4), (1.7, 1 / 1.7)
    table = [
        ((0.055, 0.092, 0.145), narrow_wide), ((0.19, 0.28), even), ((0.32, 0.46), even), ((0.46, 0.58), even),
        ((0.62, 0.78), even), ((0.85, 0.95), even),
    ]  # fmt: skip
    for (sizes, ratios), single in zip(table, PROFILES["coco"].maps, strict=True):
        shapes = np.array(single.shapes)
        np.testing.assert_allclose(np.sqrt(shapes.prod(axis=1)), np.repeat(sizes, len(ratios)), rtol=1e-12)
        np.testing.assert_allclose(shapes[:, 0] / shapes[:, 1], 0.8 * np.tile(ratios, len(sizes)), rtol=1e-12)


# ---------------------------------------------------------------- ssds.pytorch

ZOO = {
    "ssd-vgg16": ((8, 16, 32, 64, 100, 300), (30, 60, 111, 162, 213, 264, 315), 11_620),
    "fssd-mobilenet-v2": ((8, 16, 32, 64, 100, 300), (30, 60, 111, 162, 213, 264, 315), 11_620),
    "ssd-lite-mobilenet-v2": ((16, 32, 64, 100, 150, 300), (45, 90, 135, 180, 225, 270, 315), 2_990),
    "rfb-darknet19": ((16, 32, 64, 100, 150, 300), (45, 90, 135, 180, 225, 270, 315), 2_654),
}
"""Strides and sizes in px at 300 px, and the number of boxes."""


@pytest.mark.parametrize("net", ZOO)
def test_the_zoos_priors_by_a_loop(net):
    strides, sizes, count = ZOO[net]
    ratios = [(2, 3)] * 4 + [(2,)] * 2
    row, rows = find(net), []
    maps = map_sizes(row, InputSpec(), 0.25)
    for (h, w), step, small, large, own in zip(maps, strides, sizes, sizes[1:], ratios, strict=False):
        shapes = [(small, small), (math.sqrt(small * large),) * 2]
        for ratio in own:
            wide, high = small * math.sqrt(ratio), small / math.sqrt(ratio)
            shapes += [(wide, high), (high, wide)]
        rows += [
            ((x + 0.5) * step, (y + 0.5) * step, *shape)
            for y in range(h)
            for x in range(w)
            for shape in shapes
        ]
    expected = np.clip(np.array(rows) / 300, 0, 1)
    for profile in ("published", "coco"):
        assert len(make_priors(row.priors[profile], maps, InputSpec())) == count
    np.testing.assert_allclose(
        make_priors(row.priors["published"], maps, InputSpec()).numpy(), expected, atol=1e-6
    )


@pytest.mark.parametrize(
    ("net", "cells", "count"), [("yolo-v2-darknet19", [13], 845), ("yolo-v3-darknet53", [52, 26, 13], 10_647)]
)
def test_the_zoos_anchors_at_416_px(net, cells, count):
    row, spec = find(net), InputSpec(416, 416)
    maps = map_sizes(row, spec, 0.25)
    assert maps == [(c, c) for c in cells]
    for profile in ("published", "coco"):
        assert len(make_priors(row.priors[profile], maps, spec)) == count
    priors = make_priors(row.priors["published"], maps, spec)
    step = 1 / cells[0]
    torch.testing.assert_close(priors[:1, :2], torch.full((1, 2), step / 2))  # centre (j + 0.5) · step
    if net.startswith("yolo-v3"):
        shapes = [(0.024, 0.031), (0.038, 0.072), (0.079, 0.055)]
        coarse = [(0.278, 0.216), (0.375, 0.475), (0.896, 0.783)]
        torch.testing.assert_close(priors[:3, 2:], torch.tensor(shapes))
        torch.testing.assert_close(priors[-3:, 2:], torch.tensor(coarse))
    else:
        torch.testing.assert_close(priors[:5, 2:], torch.tensor([[s, s] for s in (0.1, 0.2, 0.3, 0.5, 0.9)]))
