"""Batches that the device makes: the same for any workers, threads and place of the records, and of several data roots."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.datasets.packed.test_detection import make
from vision.core.sample import Batch, InputSpec
from vision.datasets.loading import make_loader
from vision.datasets.merged import DataSet, merged
from vision.datasets.packed.detection import PackedDetection
from vision.datasets.sampling import BatchSampler, repeats
from vision.transforms import presets
from vision.transforms.device.feed import DeviceFeed, make_train_loader
from vision.transforms.device.places import packs_in
from vision.transforms.device.records import Records, Resident, Ring

CPU, SHOWN = torch.device("cpu"), presets.build("ssd", InputSpec(32, 40), 3)
NAME = "yuv420-64"


@pytest.fixture(scope="module")
def root(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packed") / "root"
    shutil.copytree(miniature_root, root)
    return make(root, NAME, "grey-64")


def sampler(data: DataSet, balanced: bool = False) -> BatchSampler:
    factors = repeats(data, 5) if balanced else None
    return BatchSampler(len(data), 6, 5, epoch=1, start_step=1, drop_last=True, repeats=factors)


def loader(data: DataSet, workers: int = 0, device: torch.device = CPU, balanced: bool = False) -> DeviceFeed:
    found = make_train_loader(f"device:{NAME}", data, SHOWN, sampler(data, balanced), workers, device)
    assert isinstance(found, DeviceFeed)
    return found


def plain(batch: Batch) -> list[np.ndarray]:
    return [tensor.cpu().numpy() for tensor in batch._tensors()]


def assert_equal(batches: list[Batch], others: list[Batch]) -> None:
    assert len(batches) == len(others) > 0
    for one, other in zip(batches, others, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(plain(one), plain(other), strict=True))


@pytest.mark.parametrize("balanced", [False, True])
def test_as_the_cpu_makes_them(root: Path, balanced: bool) -> None:
    data = PackedDetection(root, "train", NAME)
    by_cpu = list(make_loader(data, SHOWN, sampler(data, balanced), 0))
    by_device = list(loader(data, balanced=balanced))
    assert len(by_cpu) == len(by_device) > 0
    for one, other in zip(by_cpu, by_device, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(plain(one)[1:], plain(other)[1:], strict=True))
        assert other.images.dtype == torch.uint8 and other.images.shape == one.images.shape
        assert np.abs(plain(one)[0].astype(int) - plain(other)[0]).mean() < 1


def test_workers_threads_and_the_place_of_the_records_change_nothing(root: Path) -> None:
    data = PackedDetection(root, "train", NAME)
    whole = list(loader(data))
    assert_equal(list(loader(data, workers=2)), whole)
    for records in (Ring(packs_in(data), CPU, 6, threads=1), Ring(packs_in(data), CPU, 6, threads=3)):
        feed = loader(data)
        feed.records = records
        for _ in range(2):  # and the next epoch
            assert_equal(list(feed), whole)


def test_several_data_roots(root: Path) -> None:
    """A record is told by its number behind all before it."""
    parts = [PackedDetection(root, split, NAME) for split in ("train", "val")]
    both = merged(parts)
    feed = loader(both)
    assert isinstance(feed.records, Ring)
    by_cpu = make_loader(both, SHOWN, sampler(both), 0)
    for one, other in zip(by_cpu, feed, strict=True):
        assert np.abs(plain(one)[0].astype(int) - plain(other)[0]).mean() < 1
        assert all(np.array_equal(a, b) for a, b in zip(plain(one)[1:], plain(other)[1:], strict=True))


def test_an_epoch_that_is_left_is_begun_again(root: Path) -> None:
    data = PackedDetection(root, "train", NAME)
    feed, whole = loader(data), list(loader(data))
    feed.records = Ring(packs_in(data), CPU, 6)
    batches = iter(feed)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert_equal(list(feed), whole)


def test_panels_have_the_images_of_the_cpu(root: Path) -> None:
    data = PackedDetection(root, "train", NAME)
    feed = loader(data)
    key = sampler(data).keys(1, 0)[0]
    assert np.array_equal(feed.samples[key].image, SHOWN(data.load(key.index), 1, key.index).image)
    assert feed.describe() == "made on cpu from yuv420-64: read where the pack is mapped"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_gpu_gives_what_a_cpu_gives(root: Path, workers: int) -> None:
    data, gpu = PackedDetection(root, "train", NAME), torch.device("cuda", 0)
    feed, whole = loader(data, workers, gpu), list(loader(data))
    assert isinstance(feed.records, Resident)
    resident: Records = feed.records
    for records in (resident, Ring(packs_in(data), gpu, 6)):
        feed.records = records
        assert_equal(list(feed), whole)
