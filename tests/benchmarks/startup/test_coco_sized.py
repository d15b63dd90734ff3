"""The drawn data root opens as one that the stages made."""

from __future__ import annotations

from pathlib import Path

from benchmarks.startup.coco_sized import HEIGHT, WIDTH, make_root
from vision.datasets.splits import open_splits


def test_make_root(tmp_path: Path) -> None:
    train, val = open_splits(make_root(tmp_path, 30, 10))
    assert train.counts == {"images": 30, "boxes": 218, "upright": 0} and len(val) == 10
    assert len(train.classes) == 81 and train.original_category_ids[-1] == 90
    for data in (train, val):
        samples = [data.load(index) for index in range(len(data))]
        assert sum(len(sample.labels) for sample in samples) == data.counts["boxes"]
        for sample in samples:
            assert sample.image.shape == (HEIGHT, WIDTH, 3)
            assert (sample.boxes_xyxy_px[:, 2:] > sample.boxes_xyxy_px[:, :2]).all()
            assert (sample.boxes_xyxy_px >= 0).all() and (sample.boxes_xyxy_px <= [WIDTH, HEIGHT] * 2).all()


def test_it_is_the_same_each_time(tmp_path: Path) -> None:
    first, again = (open_splits(make_root(tmp_path / name, 5, 5))[0] for name in "ab")
    assert first.digest == again.digest
