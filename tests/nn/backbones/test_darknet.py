"""DarkNets against the tables of their papers, written out layer by layer."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.nn.backbones.drawn import map_shapes, parameters_of, with_statistics
from vision.nn.backbones.darknet import DarkNet19, DarkNet53

ALL = ("8", "16", "32")
# Redmon & Farhadi 2017, table 6: channels of 3×3, negative of 1×1, M pools; stars are the maps of strides 8, 16, 32
TABLE_19 = "32 M 64 M 128 -64 128 M 256 -128 256 * M 512 -256 512 -256 512 * M 1024 -512 1024 -512 1024 *"


def _weights(net: torch.nn.Module) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
    """Kernel, and mean, variance, weight and bias of the BN behind it, in order."""
    values = [(name, value) for name, value in net.state_dict().items() if not name.endswith("tracked")]
    assert [name.rpartition(".")[2] for name, _ in values[:5]] == [
        "weight", "weight", "bias", "running_mean", "running_var",
    ]  # fmt: skip
    tensors = [value for _, value in values]
    return [
        (k, (mean, variance, weight, bias))
        for k, weight, bias, mean, variance in (tensors[i : i + 5] for i in range(0, len(tensors), 5))
    ]


def _layer(x: Tensor, kernel: Tensor, norm: tuple[Tensor, ...], stride: int = 1) -> Tensor:
    x = F.conv2d(x, kernel, None, stride, padding=kernel.shape[-1] // 2)
    return F.leaky_relu(F.batch_norm(x, *norm), 0.1)


def test_19_is_the_table_of_the_paper() -> None:
    torch.manual_seed(0)
    net = with_statistics(DarkNet19(ALL, 0.25))
    images = torch.randn(1, 3, 75, 98)
    layers, expected, x = iter(_weights(net)), [], images
    for word in TABLE_19.split():
        if word == "M":
            x = F.max_pool2d(x, 2)
        elif word == "*":
            expected.append(x)
        else:
            kernel, norm = next(layers)
            wanted = (abs(int(word)) // 4, 1 if int(word) < 0 else 3)
            assert (kernel.shape[0], kernel.shape[2]) == wanted
            x = _layer(x, kernel, norm)
    assert next(layers, None) is None
    with torch.no_grad():
        torch.testing.assert_close(net(images), expected)


def test_53_is_the_table_of_the_paper() -> None:
    """One 3×3, then 1, 2, 8, 8 and 4 residuals, each stage behind a 3×3 of stride 2."""
    torch.manual_seed(0)
    net = with_statistics(DarkNet53(ALL, 0.25))
    images = torch.randn(1, 3, 65, 98)
    layers, expected = iter(_weights(net)), []
    with torch.no_grad():
        x = _layer(images, *next(layers))
        for residuals in (1, 2, 8, 8, 4):
            x = _layer(x, *next(layers), stride=2)
            for _ in range(residuals):
                x = x + _layer(_layer(x, *next(layers)), *next(layers))
            expected.append(x)
        assert next(layers, None) is None
        torch.testing.assert_close(net(images), expected[2:], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "parameters", "cells"), [(DarkNet19, 19_817_376, (37, 18, 9)), (DarkNet53, 40_584_928, (38, 19, 10))]
)  # fmt: skip
def test_published_sizes(kind, parameters, cells) -> None:
    """Kernels and BN of the tables, without the last 1×1 (1000 classes)."""
    net = kind(ALL)
    assert parameters_of(net) == parameters
    assert map_shapes(net, 300, 300) == [
        (channels, side, side) for channels, side in zip((256, 512, 1024), cells, strict=True)
    ]
    assert map_shapes(kind(("8", "32"), 0.5, 1), 416, 256, 1) == [(128, 52, 32), (512, 13, 8)]
