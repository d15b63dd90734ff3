"""Extra layers: their maps."""

from __future__ import annotations

import torch

from vision.nn.necks.extra_layers import inverted_residual_extras


def test_extras_halve_down_to_one_cell():
    neck = inverted_residual_extras((576, 1280)).eval()
    maps = neck([torch.zeros(1, 576, 19, 19), torch.zeros(1, 1280, 10, 10)])
    assert [tuple(features.shape[1:]) for features in maps] == [
        (576, 19, 19), (1280, 10, 10), (512, 5, 5), (256, 3, 3), (256, 2, 2), (64, 1, 1),
    ]  # fmt: skip
    assert neck.out_channels == (576, 1280, 512, 256, 256, 64)
