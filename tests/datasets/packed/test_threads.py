"""Threads give what processes give, in the same order, whatever is begun, held or left; an image that fails is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from tests.datasets.packed.test_detection import make
from vision.core.sample import Batch, InputSpec
from vision.datasets.contract import SampleError
from vision.datasets.loading import Loader, make_loader
from vision.datasets.packed.detection import PackedDetection
from vision.datasets.packed.threads import ThreadLoader, make_pack_loader
from vision.datasets.sampling import BatchSampler
from vision.datasets.splits import open_splits
from vision.transforms import presets

AUGMENT = presets.build("ssd", InputSpec(48, 64), 7)


@pytest.fixture(scope="module")
def root(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packed") / "root"
    return make(Path(shutil.copytree(miniature_root, root)), "yuv420-64", "jpeg-64")


def order(data: PackedDetection) -> BatchSampler:
    return BatchSampler(len(data), 3, 5)


def equal(one: Batch, other: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one._tensors(), other._tensors(), strict=True))


@pytest.mark.parametrize("name", ["yuv420-64", "jpeg-64"])
@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_batches_from_any_step_of_any_epoch(name: str, workers: int, root: Path) -> None:
    """All held at once: no batch is made in the memory of another one."""
    data = PackedDetection(root, "train", name)
    sampler, plain = order(data), order(data)
    threads, inline = make_pack_loader(data, AUGMENT, sampler, workers), make_loader(data, AUGMENT, plain, 0)
    assert isinstance(threads, ThreadLoader) and threads.samples.dataset is data
    for epoch, start in ((0, 0), (2, 3), (0, 4)):
        sampler.set_epoch(epoch, start)
        plain.set_epoch(epoch, start)
        found, expected = list(threads), list(inline)
        assert len(found) == len(threads) == len(expected) == 5 - start
        assert all(map(equal, found, expected))


def test_an_epoch_that_is_left_begins_anew_where_it_is_told(root: Path) -> None:
    data = PackedDetection(root, "train", "yuv420-64")
    sampler = order(data)
    loader = make_pack_loader(data, AUGMENT, sampler, 2)
    first = list(loader)
    for left_after in (1, 2):
        for step, batch in enumerate(loader, 1):
            assert equal(batch, first[step - 1])
            if step == left_after:
                break
    sampler.set_epoch(0, 2)
    assert all(map(equal, loader, first[2:]))


def test_an_image_that_fails_is_named_in_its_turn(root: Path, tmp_path: Path) -> None:
    data = PackedDetection(Path(shutil.copytree(root, tmp_path / "root")), "train", "jpeg-64")
    sampler = BatchSampler(len(data), 3, shuffle=False)
    with (data.pack.folder / "pixels.bin").open("r+b") as file:
        file.seek(int(data.pack.first_byte[4]))
        file.write(bytes(400))
    batches = iter(make_pack_loader(data, AUGMENT, sampler, 2))
    assert next(batches).image_ids.tolist() == data.image_ids[:3]
    with pytest.raises(SampleError, match=f"image id {data.image_ids[4]}"):
        next(batches)


def test_image_files_and_no_workers_have_the_other_loader(root: Path) -> None:
    files, _ = open_splits(root)
    pack = PackedDetection(root, "train", "yuv420-64")
    for data, workers in ((files, 2), (pack, 0)):
        loader = make_pack_loader(data, AUGMENT, BatchSampler(len(data), 3), workers)
        assert isinstance(loader, Loader) and loader.num_workers == workers
