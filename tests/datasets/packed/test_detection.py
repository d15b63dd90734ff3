"""Images out of a pack: the same draws, the same boxes, nearly the same pixels; a pack that does not fit is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.pack import build
from pipeline.pack.__main__ import main as pack
from tests.pipeline.pack.test_build import Inline
from tests.printed import ODD, Printed
from vision.core.sample import InputSpec
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError, SampleError
from vision.datasets.loading import collate, make_loader
from vision.datasets.merged import MergedDetection
from vision.datasets.packed.choice import train_set
from vision.datasets.packed.detection import PackedDetection
from vision.datasets.sampling import BatchSampler
from vision.datasets.splits import open_splits
from vision.transforms import presets

FORMATS = {"yuv420-96": (7.0, 14.0), "rgb-96": (6.0, 14.0), "jpeg-96": (8.0, 15.0), "rgb-256": (2.0, 5.0)}
"""Pack → at most so much the mean of an image's differences is, over all images and in the worst, in 0..255 units."""


def make(root: Path, *names: str) -> Path:
    for name in names:
        pack_format, _, size = name.partition("-")
        words = ["--splits", "train,val", "--format", pack_format, "--size", size]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(build, "WorkerPool", Inline)
            assert pack(["--root", str(root), *words]) == 0
    return root


@pytest.fixture(scope="module")
def packed(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packed") / "root"
    shutil.copytree(miniature_root, root)
    return make(root, *FORMATS)


@pytest.fixture
def root(miniature_root: Path, tmp_path: Path) -> Path:
    shutil.copytree(miniature_root, tmp_path / ODD / "root")
    return tmp_path / ODD / "root"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("augment", ["ssd", "light", "none"])
def test_both_paths_image_by_image(name: str, augment: str, packed: Path) -> None:
    files, pack = CocoDetection(packed), PackedDetection(packed, "train", name)
    shown = presets.build(augment, InputSpec(64, 80), 7)
    means = []
    for index in range(len(files)):
        for epoch in range(3):
            a, b = (shown(data.load(index), epoch, index) for data in (files, pack))
            for field in ("boxes_xyxy_px", "labels", "is_crowd", "area"):
                assert np.array_equal(getattr(a, field), getattr(b, field)), "boxes are equal to the bit"
            assert (a.image.shape, a.image_id, a.original_hw) == (b.image.shape, b.image_id, b.original_hw)
            assert b.frame_hw is None and b.image.dtype == np.uint8
            means.append(np.abs(a.image.astype(int) - b.image).mean())
    most_mean, most = FORMATS[name]
    print(f"{name} {augment}: mean difference {np.mean(means):.2f}, of the worst image {np.max(means):.2f}")
    assert np.mean(means) < most_mean and np.max(means) < most


def test_it_is_the_same_data_set(packed: Path) -> None:
    files, pack = CocoDetection(packed), PackedDetection(packed, "train", "rgb-96")
    for name in ("digest", "classes", "original_category_ids", "image_ids", "counts"):
        assert getattr(files, name) == getattr(pack, name)
    train, val = open_splits(packed, train_set=train_set("rgb-96"))
    assert isinstance(train, PackedDetection) and type(val) is CocoDetection, (
        "measured on the files as they are"
    )


@pytest.mark.parametrize("name", [None, *FORMATS])
def test_a_batch_is_its_samples_one_by_one(name: str | None, packed: Path) -> None:
    """Drawn and painted together, to the bit, for any batch size; a set of two parts too."""
    part = CocoDetection(packed) if name is None else PackedDetection(packed, "train", name)
    for data in (part, MergedDetection([part, part], part.classes, part.original_category_ids)):
        shown, order = presets.build("ssd", InputSpec(48, 64), 7), BatchSampler(len(data), 5, 3, epoch=1)
        for batch, keys in zip(make_loader(data, shown, order, 0), order, strict=True):
            samples = [shown(data.load(key.index), key.epoch, key.index) for key in keys]
            for a, b in zip(batch._tensors(), collate(samples)._tensors(), strict=True):
                assert torch.equal(a, b) and a.dtype == b.dtype


def test_workers_change_nothing(packed: Path) -> None:
    pack = PackedDetection(packed, "train", "yuv420-96")
    shown, batches = presets.build("ssd", InputSpec(32, 32), 3), []
    for workers in (0, 2):
        loader = make_loader(pack, shown, BatchSampler(len(pack), 8, 5, epoch=2), workers)
        batches.append([[each.numpy() for each in batch._tensors()] for batch in loader])
    for one, other in zip(*batches, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


# ---------------------------------------------------------------- what does not fit


@pytest.mark.parametrize("fault", ["gone", "cut", "damaged", "other"])
def test_a_pack_that_cannot_be_used_is_refused_with_what_makes_it(
    fault: str, root: Path, printed: Printed
) -> None:
    folder = make(root, "rgb-64") / "packs/train2017.rgb-64"
    if fault == "gone":
        shutil.rmtree(root / "packs")
    elif fault == "cut":
        (folder / "pixels.bin").write_bytes((folder / "pixels.bin").read_bytes()[:-1])
    elif fault == "damaged":
        with (folder / "pixels.bin").open("r+b") as file:
            file.write(b"???")
    else:
        text = (folder / "pack.json").read_text()
        (folder / "pack.json").write_text(text.replace('"list_sha256": "', '"list_sha256": "0'))
    with pytest.raises(DatasetError) as refused:
        open_splits(root, train_set=train_set("rgb-64"))
    assert len(str(refused.value).splitlines()) == 3
    printed(str(refused.value), "vision/datasets/packed/detection.py:_unusable", "--workers", "1")
    assert len(open_splits(root, train_set=train_set("rgb-64"))[0]) == 16


def test_a_record_that_does_not_decode_is_named_by_its_image(root: Path, printed: Printed) -> None:
    data = PackedDetection(make(root, "jpeg-64"), "train", "jpeg-64")
    with (data.pack.folder / "pixels.bin").open("r+b") as file:
        file.seek(int(data.pack.first_byte[3]))
        file.write(bytes(400))
    with pytest.raises(SampleError, match="image id") as failed:
        data.load(3)
    printed(str(failed.value), "vision/datasets/packed/detection.py:PackedDetection.pixels", status=1)
