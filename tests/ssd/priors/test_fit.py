"""Fitted boxes: the counting against ``coverage.measure``, and what a fit may and must do."""

from __future__ import annotations

import numpy as np
import pytest

from vision.core.sample import InputSpec
from vision.ssd.coverage import measure
from vision.ssd.priors import fit as fitting
from vision.ssd.priors.fit import Objects, best_overlaps, fit, overlaps, score, shares
from vision.ssd.priors.generate import make_priors
from vision.ssd.priors.profiles import MapPriors, PriorProfile

CELLS = ((8, 12), (4, 6), (1, 1))
BEFORE = (((0.1, 0.1), (0.2, 0.1)), ((0.3, 0.3), (0.5, 0.4)), ((0.8, 0.8),))


def drawn(count: int, seed: int = 0, low: float = 0.02, high: float = 0.6) -> Objects:
    """Boxes of all sizes, tall ones more than wide ones."""
    random = np.random.default_rng(seed)
    sides = np.exp(random.uniform(np.log(low), np.log(high), (count, 1))) * random.uniform(
        (0.6, 0.9), 1, (count, 2)
    )
    corner = random.uniform(0, 1 - sides)
    return Objects(np.hstack([corner, corner + sides]), sides.prod(axis=1) * 400**2)


def test_shares_are_those_that_the_priors_themselves_give() -> None:
    """``measure`` compares every box with every prior of the net; here only the nearest cell is looked at."""
    objects = drawn(500)
    profile = PriorProfile("drawn", tuple(map(MapPriors, BEFORE)))
    priors = make_priors(profile, CELLS, InputSpec(64, 96))
    expected = measure([(objects.boxes_xyxy, objects.area)], priors)
    found = shares(objects, best_overlaps(objects, CELLS, BEFORE))
    assert [found["small"], found["medium"], found["large"]] == [
        expected.small,
        expected.medium,
        expected.large,
    ]
    assert 0 < expected.small < expected.large < 1


def test_an_overlap_by_hand() -> None:
    """A box of 0.2 × 0.4 at the centre of a cell, and one a quarter of its width beside it."""
    objects = Objects(np.array([[0.15, 0.05, 0.35, 0.45], [0.2, 0.05, 0.4, 0.45]]), np.array([1.0, 1.0]))
    np.testing.assert_allclose(objects.from_cells((2, 2)), [[0, 0], [0.05, 0]], atol=1e-12)
    found = overlaps(objects, objects.from_cells((2, 2)), (0.2, 0.2))
    np.testing.assert_allclose(found, [0.5, 0.03 / (0.08 + 0.04 - 0.03)])


def test_a_fit_keeps_the_form_is_the_same_twice_and_covers_more_of_other_objects() -> None:
    found = fit(drawn(600), CELLS, BEFORE)
    assert [len(shapes) for shapes in found] == [len(shapes) for shapes in BEFORE]
    assert found == fit(drawn(600), CELLS, BEFORE)
    other = drawn(600, seed=1)
    was, now = (score(other, best_overlaps(other, CELLS, maps)) for maps in (BEFORE, found))
    assert now > was + 0.05
    for shapes, (rows, columns) in zip(found, CELLS, strict=True):
        for width, height in shapes:
            assert 0 < width <= 1 and 0 < height <= 1 and round(width, 4) == width
            assert (width * height * rows * columns) ** 0.5 >= fitting.LEAST_OF_A_CELL - 0.01


def test_small_objects_count_however_few_they_are() -> None:
    """Ten small boxes among a thousand large ones move a box of the finest map towards their size."""
    small, large = drawn(10, low=0.14, high=0.16), drawn(1000, seed=2, low=0.4, high=0.6)
    both = Objects(
        np.vstack([small.boxes_xyxy, large.boxes_xyxy]),
        np.concatenate([np.full(10, 100.0), np.full(1000, 1e5)]),
    )
    found = fit(both, CELLS, (((0.3, 0.3), (0.4, 0.4)), *BEFORE[1:]))
    assert min(width * height for width, height in found[0]) < 0.03


def test_a_start_that_cannot_be_bettered_stays() -> None:
    objects = Objects(np.array([[0.4, 0.4, 0.6, 0.6]] * 3), np.full(3, 1e4))
    assert fit(objects, ((5, 5),), (((0.2, 0.2),),)) == (((0.2, 0.2),),)


def test_sizes_without_an_object_have_no_share_and_empty_boxes_are_left_out() -> None:
    images = [
        (np.array([[0.1, 0.1, 0.3, 0.3], [0.5, 0.5, 0.5, 0.7]]), np.array([2000.0, 0.0])),
        (np.zeros((0, 4)), np.zeros(0)),
    ]
    objects = Objects.of(images)
    assert len(objects) == 1
    assert shares(objects, np.array([0.7])) == {"small": None, "medium": 1.0, "large": None, "all": 1.0}
    assert score(objects, np.array([0.45])) == pytest.approx(0.5)


def test_on_real_boxes_other_images_are_covered_as_well_as_by_the_profile(coco_boxes) -> None:
    """yolo-v3's nine boxes of COCO, from squares: what is fitted to the training images holds on the others."""
    cells, squares = (
        ((52, 52), (26, 26), (13, 13)),
        ((0.04, 0.08, 0.12), (0.16, 0.24, 0.35), (0.5, 0.65, 0.9)),
    )
    before = tuple(tuple((side, side) for side in sides) for sides in squares)
    train, val = (Objects.of(coco_boxes[split]) for split in ("train", "val"))
    after = fit(train, cells, before)
    was, now = (shares(val, best_overlaps(val, cells, maps)) for maps in (before, after))
    print(was, now)
    assert now["medium"] > was["medium"] + 0.1 and now["large"] > was["large"] + 0.1
