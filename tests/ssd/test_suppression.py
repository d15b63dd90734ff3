from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision.ops
from torch import Tensor

from vision.ssd import suppression
from vision.ssd.suppression import nms


def boxes_of(number: int, seed: int) -> tuple[Tensor, Tensor]:
    """Many that overlap, with scores of which some are equal."""
    draw = torch.Generator().manual_seed(seed)
    corners = torch.rand(number, 2, generator=draw, dtype=torch.float64)
    boxes = torch.cat([corners, corners + 0.3 * torch.rand(number, 2, generator=draw)], dim=1)
    return boxes, (torch.rand(number, generator=draw) * 200).round().double() / 200


@pytest.mark.parametrize("number", [0, 1, 400, 3_000])
def test_it_is_torchvisions_to_the_bit(number: int) -> None:
    for seed in range(3):
        boxes, scores = boxes_of(number, seed)
        kept = nms(boxes, scores, 0.45)
        assert kept.dtype == torch.int64 and torch.equal(kept, torchvision.ops.nms(boxes, scores, 0.45))
        assert number < 400 or 0 < len(kept) < number


def test_torchvision_itself_is_not_imported(repository: Path) -> None:
    program = """
import sys, torch
from vision.ssd.suppression import nms
assert nms(torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 0.9]]), torch.tensor([0.1, 0.2]), 0.5).tolist() == [1]
assert "torchvision" not in sys.modules
import torchvision  # later it may be
assert torchvision.ops.nms(torch.tensor([[0.0, 0, 1, 1]]), torch.ones(1), 0.5).tolist() == [0]
"""
    subprocess.run([sys.executable, "-c", program], cwd=repository, check=True)


@pytest.mark.parametrize("names", [[], ["not a library"]])
def test_a_torchvision_that_lies_in_another_way_is_asked_itself(
    names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"no")
    monkeypatch.setattr(suppression, "_libraries", lambda: [tmp_path / name for name in names])
    suppression._kernel.cache_clear()
    try:
        assert suppression._kernel() is torchvision.ops.nms
    finally:
        suppression._kernel.cache_clear()
