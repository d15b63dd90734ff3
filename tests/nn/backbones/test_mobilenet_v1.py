"""MobileNetV1 against the table of its paper, written out layer by layer, and the names of published weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.nn.backbones.drawn import map_shapes, parameters_of, with_statistics
from vision.nn.backbones.mobilenet_v1 import MobileNetV1

# Howard et al. 2017, table 1: output channels and stride of each separable block
TABLE = (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)  # fmt: skip


def _plain(weights: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """The table as functions on weights with pytorch-ssd's names; the output of every block."""

    def layer(x: Tensor, name: str, number: int, stride: int) -> Tensor:
        kernel = weights[f"{name}.{number}.weight"]
        groups, padding = x.shape[1] // kernel.shape[1], kernel.shape[-1] // 2
        x = F.conv2d(x, kernel, None, stride, padding, groups=groups)
        norm = [
            weights[f"{name}.{number + 1}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")
        ]
        return F.batch_norm(x, *norm).relu()

    outputs = [layer(x, "0", 0, 2)]
    for block, (_, stride) in enumerate(TABLE, 1):
        outputs.append(layer(layer(outputs[-1], str(block), 0, stride), str(block), 3, 1))
    return outputs


def test_it_is_the_table_of_the_paper() -> None:
    torch.manual_seed(0)
    net = with_statistics(MobileNetV1(("8", "16", "32"), 0.5))
    images = torch.randn(2, 3, 97, 130)
    with torch.no_grad():
        found, expected = net(images), _plain(net.state_dict(), images)
    for features, block in zip(found, (5, 11, 13), strict=True):
        torch.testing.assert_close(features, expected[block])
    assert len(expected) == 14


def test_published_sizes() -> None:
    """4,231,976 of the classifier (4.2 M in the paper) without its 1024 × 1000 + 1000."""
    assert parameters_of(MobileNetV1()) == 4_231_976 - 1_025_000
    assert map_shapes(MobileNetV1(("8", "16", "32")), 300, 300) == [
        (256, 38, 38),
        (512, 19, 19),
        (1024, 10, 10),
    ]
    assert map_shapes(MobileNetV1(), 96, 160) == [(512, 6, 10), (1024, 3, 5)]
    assert [net.out_channels for net in map(_narrow, (0.25, 0.75))] == [(128, 256), (384, 768)]


def _narrow(width: float) -> MobileNetV1:
    return MobileNetV1(width_mult=width)
