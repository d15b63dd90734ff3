"""Augmentations by name: pure functions of (sample, epoch, index), shown step by step."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.transforms import one_by_one
from tests.transforms.conftest import MakeSample
from vision.core.sample import InputSpec, Sample, objects_of
from vision.transforms import draw
from vision.transforms.geometry import whole
from vision.transforms.presets import PRESETS, SMALLEST_SIDE_PX, build
from vision.transforms.resize import bilinear, detectnet

SPEC = InputSpec(64, 96)
BOXES = [[10, 10, 60, 50], [100, 20, 180, 90], [30, 60, 34, 64], [0, 0, 200, 100]]


def same(one: Sample, other: Sample) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("image", "boxes_xyxy_px", "labels", "is_crowd", "area", "image_id", "original_hw")
    )


@pytest.mark.parametrize("name", PRESETS)
@given(epoch=st.integers(0, 500), index=st.integers(0, 200_000), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_sample_is_whole_whatever_is_drawn(
    make_sample: MakeSample, name: str, epoch: int, index: int, seed: int
) -> None:
    sample = make_sample(100, 200, BOXES, crowd=[3])
    shown = build(name, SPEC, seed)(sample, epoch, index)
    assert shown.image.shape == (64, 96, 3) and shown.image.dtype == np.uint8
    boxes, count = shown.boxes_xyxy_px, len(shown.labels)
    assert boxes.shape == (count, 4) and boxes.dtype == np.float32
    assert shown.is_crowd.shape == shown.area.shape == (count,)
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= [96, 64]).all()
    assert ((boxes[:, 2:] - boxes[:, :2]) > 0).all()
    for label, crowd, area in zip(shown.labels, shown.is_crowd, shown.area, strict=True):
        assert crowd == (label == 4) and area == sample.area[label - 1]
    assert same(shown, build(name, SPEC, seed)(sample, epoch, index))


def test_neither_order_nor_global_generators_matter(make_sample: MakeSample) -> None:
    sample, keys = make_sample(100, 200, BOXES), [(e, i) for e in range(3) for i in range(10)]
    augmentation = build("ssd", SPEC, 5)
    forward = [augmentation(sample, *key) for key in keys]
    np.random.seed(0)
    backward = [augmentation(sample, *key) for key in reversed(keys)][::-1]
    assert all(same(one, other) for one, other in zip(forward, backward, strict=True))
    assert len({shown.image.tobytes() for shown in forward}) == len(keys)
    other = build("ssd", SPEC, 6)
    assert not any(same(augmentation(sample, *key), other(sample, *key)) for key in keys)


def test_it_travels_to_workers(make_sample: MakeSample) -> None:
    sample, augmentation = make_sample(100, 200, BOXES), build("ssd", SPEC, 5)
    again = pickle.loads(pickle.dumps(augmentation))
    assert again.input_spec == SPEC and same(again(sample, 1, 2), augmentation(sample, 1, 2))


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("ssd", ["colour", "zoom-out", "crop", "flip", "resize"]),
        ("light", ["colour", "shift", "flip", "resize"]),
        ("none", ["resize"]),
    ],
)
def test_steps_can_be_shown_one_by_one(make_sample: MakeSample, name: str, steps: list[str]) -> None:
    augmentation = build(name, SPEC, 3)
    assert [step.name for step in augmentation.steps] == steps
    sample = make_sample(100, 200, BOXES, crowd=[3])
    for index in range(20):
        trace = augmentation.trace(sample, 1, index)
        assert [step for step, _ in trace] == steps
        assert same(trace[-1][1], augmentation(sample, 1, index))
        for _, shown in trace:
            assert shown.image.dtype == np.uint8 and shown.original_hw == (100, 200)
            assert (shown.boxes_xyxy_px[:, 2:] <= [shown.width, shown.height]).all()


def test_none_is_the_plain_resize(make_sample: MakeSample) -> None:
    sample = make_sample(100, 200, [[1, 1, 1.2, 1.2], [10, 10, 60, 50]])
    shown = build("none", SPEC, 3)(sample, 7, 8)
    np.testing.assert_array_equal(shown.image, bilinear(sample.image, (64, 96)))
    assert len(shown.labels) == 2, "nothing is left out where nothing is augmented"
    device = build("none", SPEC, 3, resize="detectnet")(sample, 7, 8)
    np.testing.assert_array_equal(device.image, detectnet(sample.image, (64, 96)))


def test_objects_below_a_pixel_are_no_targets(make_sample: MakeSample) -> None:
    sample = make_sample(100, 200, [[50, 50, 50.4, 50.4], [10, 10, 190, 90]])
    augmentation = build("light", SPEC, 0)
    shown = [augmentation(sample, 0, index) for index in range(50)]
    sides = [s.boxes_xyxy_px[:, 2:] - s.boxes_xyxy_px[:, :2] for s in shown]
    assert min(side.min() for side in sides) >= SMALLEST_SIDE_PX
    assert all(s.labels.tolist() == [2] for s in shown)


def test_an_image_without_boxes_is_augmented_too(make_sample: MakeSample) -> None:
    augmentation, sample = build("ssd", SPEC, 0), make_sample(100, 200)
    shown = [augmentation(sample, 0, index) for index in range(20)]
    assert len({s.image.tobytes() for s in shown}) == 20 and not any(len(s.labels) for s in shown)


def test_crowd_regions_do_not_steer_the_crop(make_sample: MakeSample) -> None:
    """A crowd region is no object: with it alone every window will do, and it is clipped like everything else."""
    alone, crowd = make_sample(100, 200), make_sample(100, 200, [[0, 0, 200, 100]], crowd=[0])
    augmentation = build("ssd", SPEC, 0)
    for index in range(20):
        one, other = augmentation(alone, 0, index), augmentation(crowd, 0, index)
        np.testing.assert_array_equal(one.image, other.image)
        assert other.is_crowd.tolist() == [True]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("sdd", "bilinear"), "augmentation 'sdd': there is ssd, light, none"),
        (("none", "nearest"), "resize 'nearest': there is bilinear, detectnet"),
        (("ssd", "detectnet"), "it goes with 'none', not with 'ssd'"),
    ],
)
def test_unknown_names_are_refused(arguments: tuple[str, str], expected: str) -> None:
    name, resize = arguments
    with pytest.raises(ValueError, match=expected):
        build(name, SPEC, 0, resize)


def test_the_canvas_around_a_zoomed_out_image_is_the_mean(make_sample: MakeSample) -> None:
    """128, which the network sees as 0: neither black nor white."""
    black = make_sample(100, 200)
    black = replace(black, image=np.zeros_like(black.image))
    seen = set()
    for index in range(30):
        augmentation = build("ssd", SPEC, 1)
        colours = [step for step in augmentation.steps if step.name in ("zoom-out", "resize")]
        shown = replace(augmentation, steps=tuple(colours))(black, 0, index).image
        seen |= set(np.unique(shown).tolist())
    assert seen == {0, 128} and float(
        SPEC.normalise(torch.tensor([128], dtype=torch.uint8))
    ) == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize("name", ["ssd", "light"])
def test_an_object_of_a_pixel_of_the_input_is_a_target(make_sample: MakeSample, name: str) -> None:
    """64 × 96 px to 64 × 96: one pixel stays, nine tenths do not."""
    sample = make_sample(64, 96, [[10, 10, 11, 40], [20, 10, 20.9, 40], [30, 30, 32, 32]])
    augmentation = build(name, SPEC, 0)
    shown = replace(augmentation, steps=augmentation.steps[-1:])._show(sample, whole(64, 96))
    assert shown.labels.tolist() == [1, 3]


def crowded(count: int) -> list[Sample]:
    """Frames of all shapes down to a pixel, with no, few, many, empty and tiny boxes and crowds; no pixels."""
    draw, samples = np.random.default_rng(5), []
    for n in range(count):
        height, width = (int(side) for side in draw.integers(1, 700, 2)) if n % 3 else (480, 640)
        boxes = (0, 1, 1, 2, 3, 7, 30, 200)[draw.integers(8)] if n % 500 != 7 else 3000
        corners = draw.random((boxes, 2, 2)) * [width, height] * (0.05 if n % 5 == 0 else 1)
        xyxy = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)
        xyxy[: n % 11 == 0] = [5, 5, 5, 5]
        crowd = draw.random(boxes) < (0.2 if n % 2 else 0.0)
        image, ones = np.empty((1, 1, 3), np.uint8), np.ones(boxes, np.int64)
        frame = (height, width)
        samples.append(Sample(image, xyxy, ones, crowd, ones.astype(np.float32), n, frame, frame_hw=frame))
    return samples


@pytest.mark.parametrize(("name", "batch"), [("ssd", 37), ("ssd", 3), ("light", 37)])
def test_views_are_drawn_together_as_they_were_one_by_one(name: str, batch: int) -> None:
    """To the bit, after each step: a run that began before continues as it would have."""
    augmentation, samples = build(name, SPEC, 9), crowded(1200)
    for first in range(0, len(samples), batch):
        some = samples[first : first + batch]
        indices = range(first, first + len(some))
        drawn = augmentation.views(objects_of(some), [3] * len(some), indices)
        for row, sample in enumerate(some):
            objects = sample.boxes_xyxy_px[~sample.is_crowd]
            given = (objects,) if name == "ssd" else ()
            expected = getattr(one_by_one, name)(sample.height, sample.width, *given, 9, 3, first + row)
            for found, view in zip([views[row] for views in drawn], expected, strict=False):
                assert replace(found, colour=None) == replace(view, colour=None)
                assert (found.colour is None) == (view.colour is None)
                assert view.colour is None or np.array_equal(found.colour, view.colour)  # type: ignore[arg-type]


def test_no_more_pairs_are_looked_at_than_memory_is_meant_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of thousands of objects: the same windows in small portions."""
    samples, augmentation = crowded(1100)[4:12] + crowded(1100)[500:510], build("ssd", SPEC, 9)
    given = objects_of(samples), [1] * len(samples), range(len(samples))
    expected = augmentation.views(*given)[-1].windows_xyxy_px
    monkeypatch.setattr(draw, "MOST_PAIRS", 100)
    assert np.array_equal(augmentation.views(*given)[-1].windows_xyxy_px, expected)
