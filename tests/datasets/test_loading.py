"""Batches: the same for any number of workers, drawn from no global generator, and failures that name the image."""

from __future__ import annotations

import os
import random
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.datasets.transforms import Mishap, Shrink
from vision.core.sample import Batch, InputSpec, Sample
from vision.datasets import loading
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import SampleError
from vision.datasets.loading import TransformedDataset, make_loader
from vision.datasets.sampling import BatchSampler, EpochOrder, SampleKey
from vision.transforms import presets


def sample(boxes: list[list[float]], crowd: list[bool], image_id: int = 3) -> Sample:
    image = np.random.default_rng(image_id).integers(0, 256, (10, 20, 3), np.uint8)
    return Sample(
        image,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.arange(1, len(boxes) + 1),
        np.array(crowd, bool),
        np.ones(len(boxes), np.float32),
        image_id,
        (100, 200),
    )


class Kept:
    """Samples at hand as a data set, and the transform that leaves them as they are."""

    def __init__(self, samples: list[Sample]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def load(self, index: int) -> Sample:
        return self.samples[index]

    def __call__(self, sample: Sample, epoch: int, index: int) -> Sample:
        return sample


def batch_of(samples: list[Sample]) -> Batch:
    order = BatchSampler(len(samples), len(samples), shuffle=False)
    (batch,) = make_loader(Kept(samples), Kept([]), order, 0)  # type: ignore[arg-type]
    return batch


def test_a_batch_pads_and_parts_objects_from_crowds() -> None:
    first = sample([[0, 0, 10, 5], [2, 1, 20, 10], [5, 5, 10, 10]], [False, True, False], 3)
    batch = batch_of([first, sample([], [], 4)])
    assert batch.images.shape == (2, 3, 10, 20) and batch.images.dtype == torch.uint8
    np.testing.assert_array_equal(batch.images[0].permute(1, 2, 0).numpy(), first.image)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.boxes_xyxy.tolist() == [[[0, 0, 0.5, 0.5], [0.25, 0.5, 0.5, 1.0]], [[0] * 4] * 2]
    assert batch.labels.tolist() == [[1, 3], [0, 0]]
    np.testing.assert_allclose(batch.ignore_xyxy, [[[0.1, 0.1, 1.0, 1.0]], [[0] * 4]])
    assert batch.image_ids.tolist() == [3, 4] and batch.original_hw.tolist() == [[100, 200]] * 2
    types = [t.dtype for t in (batch.boxes_xyxy, batch.labels, batch.ignore_xyxy, batch.image_ids)]
    assert types == [torch.float32, torch.int64, torch.float32, torch.int64]
    assert batch.original_hw.dtype == torch.int64


def test_a_batch_of_images_without_boxes_and_of_boxes_outside() -> None:
    batch = batch_of([sample([], [])])
    assert batch.boxes_xyxy.shape == (1, 0, 4) and batch.labels.shape == (1, 0)
    assert batch.ignore_xyxy.shape == (1, 0, 4)
    assert batch_of([sample([[-5, -5, 25, 30]], [False])]).boxes_xyxy.tolist() == [[[0, 0, 1, 1]]]


def test_a_batch_says_what_its_images_are_not_labelled_with() -> None:
    one, other = sample([], []), sample([[0, 0, 10, 5]], [False])
    assert batch_of([one, other]).unlabelled.shape == (2, 0)
    found = batch_of([one, replace(other, unlabelled=(2, 5))]).unlabelled
    assert found.tolist() == [[0, 0], [2, 5]] and found.dtype == torch.int64


def test_images_of_two_sizes_are_no_batch() -> None:
    other = Shrink()(sample([], []), 0, 0)
    with pytest.raises(ValueError, match=r"one size, found \[\(10, 20, 3\), \(24, 32, 3\)\]"):
        batch_of([sample([], []), other])


def batches_of(root: Path, workers: int, epochs: int = 2, **rest: object) -> list[Batch]:
    dataset = CocoDetection(root)
    sampler = BatchSampler(len(dataset), 4, seed=11)
    loader = make_loader(dataset, Shrink(), sampler, workers, **rest)
    found = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        assert len(loader) == 5  # 21 images: the single one at the end joins the fifth batch
        found += list(loader)
    return found


def assert_equal(left: list[Batch], right: list[Batch]) -> None:
    for one, other in zip(left, right, strict=True):
        for a, b in zip(one._tensors(), other._tensors(), strict=True):
            assert torch.equal(a, b) and a.dtype == b.dtype
        assert one.images.stride() == other.images.stride()


@pytest.fixture(scope="module")
def expected(small_coco: Path) -> list[Batch]:
    return batches_of(small_coco, 0)


def test_batches_come_in_the_order_of_the_epoch(small_coco: Path, expected: list[Batch]) -> None:
    ids = CocoDetection(small_coco).image_ids
    for epoch in (0, 1):
        order = EpochOrder(21, 11).order(epoch).tolist()
        own = expected[5 * epoch : 5 * epoch + 5]
        assert torch.cat([b.image_ids for b in own]).tolist() == [ids[n] for n in order]
        assert torch.cat([b.images[:, 0, 0, 0] for b in own]).unique().tolist() == [epoch]
        assert [len(batch) for batch in own] == [4, 4, 4, 4, 5]


@pytest.mark.filterwarnings("error:This DataLoader")
def test_more_workers_than_cores_is_no_warning_of_torch(small_coco: Path, expected: list[Batch]) -> None:
    workers = len(os.sched_getaffinity(0)) + 1
    assert_equal(batches_of(small_coco, workers), expected)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_gives_the_same(small_coco: Path, expected: list[Batch], workers: int) -> None:
    assert_equal(batches_of(small_coco, workers), expected)


def test_spawned_workers_give_the_same(small_coco: Path, expected: list[Batch]) -> None:
    assert_equal(batches_of(small_coco, 1, epochs=1, method="spawn"), expected[:5])


def test_an_unknown_start_method_is_refused(small_coco: Path) -> None:
    with pytest.raises(ValueError, match="start method 'teleport': this system has"):
        batches_of(small_coco, 1, method="teleport")


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_goes_on_in_the_middle(small_coco: Path, expected: list[Batch], workers: int) -> None:
    dataset = CocoDetection(small_coco)
    sampler = BatchSampler(len(dataset), 4, seed=11, epoch=1, start_step=3)
    loader = make_loader(dataset, Shrink(), sampler, workers)
    assert_equal(list(loader), expected[8:])
    sampler.set_epoch(0, 2)
    iterator = iter(loader)  # left in the middle, then another epoch is asked for
    assert_equal([next(iterator)], expected[2:3])
    sampler.set_epoch(1)
    assert_equal(list(loader), expected[5:])


@pytest.mark.parametrize("workers", [0, 2])
def test_no_global_generator_is_drawn_from(small_coco: Path, workers: int) -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    batches_of(small_coco, workers, epochs=1)
    assert torch.equal(torch.get_rng_state(), before[0]) and random.getstate() == before[1]
    assert np.random.get_state()[1].tolist() == before[2]


@pytest.fixture
def broken_coco(small_coco: Path, tmp_path: Path) -> Path:
    root = tmp_path / "broken"
    shutil.copytree(small_coco, root)
    path = root / "train2017" / "000000000115.png"  # index 5
    path.write_bytes(path.read_bytes()[:100])
    return root


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_is_named(broken_coco: Path, workers: int) -> None:
    with pytest.raises(SampleError, match=r"000000000115\.png \(image id 115\): broken image") as raised:
        batches_of(broken_coco, workers)
    assert raised.value.__cause__ is None, "what is expected to happen needs no traceback"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_transform_that_raises_names_the_image(small_coco: Path, workers: int) -> None:
    dataset = CocoDetection(small_coco)
    loader = make_loader(dataset, Mishap(), BatchSampler(21, 4, epoch=2), workers)
    with pytest.raises(SampleError) as raised:
        list(loader)
    assert str(raised.value).endswith(
        "000000000115.png (image id 115), epoch 2: ZeroDivisionError: no such colour"
    )
    assert "transforms.py" in str(raised.value.__cause__), "the place in the code is not lost"
    if workers:  # new workers after a failure
        with pytest.raises(SampleError):
            list(loader)


def test_an_error_of_boxes_that_are_drawn_together_names_the_image(
    small_coco: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, transform = CocoDetection(small_coco), presets.build("ssd", InputSpec(32, 32), seed=0)
    objects, load = dataset.objects, dataset.load

    def refused(indices: list[int]) -> Any:
        if 5 in indices:
            raise ZeroDivisionError("a box without a side")
        return objects(indices)

    monkeypatch.setattr(dataset, "objects", refused)
    monkeypatch.setattr(dataset, "load", lambda index: (refused([index]), load(index))[1])
    with pytest.raises(
        SampleError, match=r"000000000115\.png .*epoch 2: ZeroDivisionError: a box without a side"
    ):
        list(make_loader(dataset, transform, BatchSampler(21, 4, epoch=2), 0))


def test_samples_can_be_asked_for_one_by_one(small_coco: Path) -> None:
    samples = TransformedDataset(CocoDetection(small_coco), Shrink())
    assert len(samples) == 21
    assert samples[SampleKey(3, 8)].image[0, 0].tolist() == [3, 8, 0]


def test_batches_go_through_pipes_where_shared_memory_is_small(
    small_coco: Path, expected: list[Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = os.statvfs("/dev/shm")
    small = os.statvfs_result([4096, 4096, 10, 10, 10, *tuple(facts)[5:]])  # 40 KiB
    monkeypatch.setattr(loading.os, "statvfs", lambda path: small)
    with pytest.warns(UserWarning, match=r"/dev/shm has 0 MiB free(.|\n)*pipes(.|\n)*--shm-size"):
        through_pipes = batches_of(small_coco, 2)
    assert_equal(through_pipes, expected)


def test_enough_shared_memory_is_no_reason_to_warn(small_coco: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches_of(small_coco, 2, epochs=1)


@pytest.mark.parametrize("repeat", [0, 2])
def test_each_time_is_another_augmentation(repeat: int) -> None:
    asked = []

    def transform(_: object, epoch: int, index: int) -> None:
        asked.append((epoch, index))

    samples = TransformedDataset(Kept([sample([], [], one) for one in range(5)]), transform)  # type: ignore[arg-type]
    samples[SampleKey(7, 3, repeat)]
    assert asked == [(7, 3 + 5 * repeat)]
