"""The classroom net's backbone: its sizes, written out."""

from __future__ import annotations

import torch

from vision.nn.backbones.classroom import Classroom


def test_layers_and_sizes_are_the_published_ones() -> None:
    """5×5 1 → 16, residual 16 → 32, residual 32 → 64 of stride 2: 128×64 px give 32×16 cells."""
    net = Classroom()
    assert [tuple(x.shape) for x in net(torch.zeros(2, 1, 64, 128))] == [(2, 64, 16, 32)]
    assert net.out_channels == (64,)
    first = 16 * 25 + 2 * 16
    second = 9 * 16 * 32 + 9 * 32 * 32 + 16 * 32 + 3 * 2 * 32
    third = 9 * 32 * 64 + 9 * 64 * 64 + 32 * 64 + 3 * 2 * 64
    assert sum(p.numel() for p in net.parameters()) == first + second + third


def test_any_size_width_and_number_of_channels() -> None:
    net = Classroom(("4",), 0.5, 3)
    assert [tuple(x.shape) for x in net(torch.zeros(1, 3, 37, 50))] == [(1, 32, 10, 13)]
