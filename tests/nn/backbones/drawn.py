"""Nets with drawn weights and statistics, for tests that compare two of them."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

Net = TypeVar("Net", bound=nn.Module)


def with_statistics(net: Net) -> Net:
    """``net`` in evaluation mode with running statistics that are not 0 and 1, so that a mix-up shows."""
    generator = torch.Generator().manual_seed(3)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.uniform_(-0.1, 0.1, generator=generator)
            layer.running_var.uniform_(0.5, 1.5, generator=generator)
    return net.eval()


def parameters_of(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@torch.no_grad()
def map_shapes(net: nn.Module, height: int, width: int, channels: int = 3) -> list[tuple[int, ...]]:
    """(c, h, w) of each map, from a run without numbers."""
    maps = net.to("meta").eval()(torch.empty(1, channels, height, width, device="meta"))
    return [tuple(features.shape[1:]) for features in maps]
