"""The words that cross the doors: what they promise about shapes, ranges and copies."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from vision.core.sample import Batch, Detections, InputSpec, Sample


def test_input_is_what_the_device_feeds():
    """detectNet: pixel / 127.5 − 1."""
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(2, 3, 16, 16)
    expected = pixels.double() / 127.5 - 1
    found = InputSpec(16, 16).normalise(pixels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, atol=1e-7, rtol=0)
    assert (found.min(), found.max()) == (-1, 1)


@pytest.mark.parametrize("size", [(0, 300), (300, -1)])
def test_sizes_are_positive(size):
    with pytest.raises(ValueError, match="both sides must be positive"):
        InputSpec(*size)


def _sample() -> Sample:
    return Sample(
        image=np.zeros((10, 20, 3), np.uint8),
        boxes_xyxy_px=np.array([[0, 0, 5, 5], [1, 1, 9, 9], [2, 2, 3, 3]], np.float32),
        labels=np.array([1, 2, 3]),
        is_crowd=np.array([False, True, False]),
        area=np.array([25, 64, 1], np.float32),
        image_id=7,
        original_hw=(10, 20),
    )


def test_with_objects_keeps_columns_together():
    sample = _sample()
    moved = sample.with_objects(sample.boxes_xyxy_px.astype(np.float64) + 1, np.array([True, False, True]))
    assert (sample.height, sample.width) == (10, 20)
    assert moved.boxes_xyxy_px.dtype == np.float32
    assert moved.boxes_xyxy_px.tolist() == [[1, 1, 6, 6], [3, 3, 4, 4]]
    assert (moved.labels.tolist(), moved.is_crowd.tolist(), moved.area.tolist()) == (
        [1, 3],
        [False, False],
        [25, 1],
    )
    assert moved.image is sample.image
    assert len(sample.labels) == 3


def test_nothing_kept():
    sample = _sample()
    assert sample.with_objects(sample.boxes_xyxy_px, np.zeros(3, bool)).boxes_xyxy_px.shape == (0, 4)


def test_batch_moves_whole():
    fields = [torch.zeros(2, 3, 4, 4), torch.zeros(2, 5, 4), torch.zeros(2, 5), torch.zeros(2, 1, 4),
              torch.zeros(2), torch.zeros(2, 2), torch.zeros(2, 1)]  # fmt: skip
    batch = Batch(*fields)
    moved = batch.to("meta")
    assert len(batch) == 2
    assert {getattr(moved, field.name).device.type for field in dataclasses.fields(Batch)} == {"meta"}
    assert [getattr(moved, field.name).shape for field in dataclasses.fields(Batch)] == [
        t.shape for t in fields
    ]


def test_detections_count():
    found = Detections(torch.zeros(3, 4), torch.zeros(3), torch.ones(3, dtype=torch.int64))
    assert len(found.cpu()) == 3


def test_one_channel_is_the_grey_of_the_same_pixels():
    """As Pillow weighs them, up to its rounding to whole numbers; and sizes are said width first."""
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    spec = InputSpec(5, 7, channels=1)
    found = spec.normalise(torch.from_numpy(pixels).permute(2, 0, 1)[None])
    assert found.shape == (1, 1, 5, 7) and (found[0, 0] >= -1).all() and (found[0, 0] <= 1).all()
    theirs = np.asarray(Image.fromarray(pixels).convert("L"), np.float32) / 127.5 - 1
    np.testing.assert_allclose(found[0, 0].numpy(), theirs, atol=1 / 127.5)
    assert (str(spec), str(InputSpec(5, 7))) == ("7×5 px, grey", "7×5 px")
    with pytest.raises(ValueError, match="2 input channels"):
        InputSpec(channels=2)
