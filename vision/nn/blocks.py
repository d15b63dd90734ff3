"""The layers that mobile nets are made of.

Legend: N images, c channels, h × w cells.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def make_divisible(channels: float, width_mult: float = 1.0, divisor: int = 8) -> int:
    """Channels at a width, as MobileNetV2 rounds them: to multiples of 8, never more than 10 % below.

    (Sandler et al. 2018, reference implementation.) Width 1 changes nothing.
    """
    wanted = channels * width_mult
    rounded = max(divisor, int(wanted + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * wanted else rounded


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation that can also train on a single value a channel.

    The last map of an SSD is 1 × 1: with a batch of one image there is nothing to take statistics of, and
    the plain layer raises. Such a batch is normalised with the running statistics, as in evaluation.
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.training and input.shape[0] * input.shape[2] * input.shape[3] == 1:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        return super().forward(input)


class _ClippedInPlace(torch.autograd.Function):
    """ReLU6 that keeps for the backward pass what it gives, which the next layer keeps too; torch's keeps a copy of its input.

    The gradient is torch's to the bit: an output is 0 or 6 exactly where the input was not between them.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(F.hardtanh_(x, 0.0, 6.0))
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return torch.ops.aten.hardtanh_backward(grads[0], ctx.saved_tensors[0], 0.0, 6.0)


class ReLU6(nn.ReLU6):
    """ReLU6 in place of its input, which takes a third of the memory of a training step from nets that are made of it."""

    def __init__(self) -> None:
        super().__init__(inplace=True)

    def forward(self, input: Tensor) -> Tensor:
        if torch.jit.is_tracing() or torch.compiler.is_compiling() or not torch.is_grad_enabled():
            return super().forward(input)
        clipped: Tensor = _ClippedInPlace.apply(input)
        return clipped


def conv_bn(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    groups: int = 1,
    activation: nn.Module | None = None,
) -> list[nn.Module]:
    """Convolution, BatchNorm and activation (ReLU where none is told), for a Sequential."""
    padding = (kernel_size - 1) // 2
    return [
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False),
        BatchNorm2d(out_channels),
        activation or nn.ReLU(inplace=True),
    ]


def conv_bn_relu6(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """What the blocks of MobileNetV2 are made of."""
    return conv_bn(in_channels, out_channels, kernel_size, stride, groups, ReLU6())


class L2Norm(nn.Module):
    """Each cell's channels to length 1, then times a learned number a channel (Liu et al. 2016, section 3.1).

    The length is summed in float32 whatever the input, and of a ``SHRUNK``-th of it, which is exact: a board computes the
    exported graph in float16, where the squares of VGG's channels overflow above a length of 256 (here 4,096).
    """

    SHRUNK = 16

    def __init__(self, channels: int, scale: float = 20.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """(N, c, h, w) → the same shape; a cell of zeros stays zero, and its gradient fits float16."""
        small = x.float() / self.SHRUNK
        # both bounds: TensorRT 7 reads no other clip
        length = torch.linalg.vector_norm(small, dim=1, keepdim=True).clamp(1e-3 / self.SHRUNK, 65504.0)
        return (small / length * self.weight[:, None, None]).to(x.dtype)


class UnpaddedConv2d(nn.Conv2d):
    """A 3×3 convolution without padding, on maps of any size: a side of one or two cells keeps them.

    SSD's last extra layers shrink 5 × 5 to 3 × 3 to 1 × 1 in this way at 300 px; at other sizes their maps may already be
    smaller than the kernel. (Padding of the convolution itself: TensorRT wants sizes that a Pad before it would hide.)
    """

    def forward(self, input: Tensor) -> Tensor:
        padding = [int(side < kernel) for side, kernel in zip(_sides(input), self.kernel_size, strict=True)]
        return F.conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


def resized(x: Tensor, height: int, width: int) -> Tensor:
    """(N, c, h, w) → (N, c, height, width), bilinear with half-pixel centres (``F.interpolate``'s numbers).

    As two products with constant matrices: every TensorRT multiplies, only later ones than 7.1 resize with half-pixel
    centres, and its gradient is the same in every run.
    """
    (down, across), height, width = _sides(x), int(height), int(width)
    if across != width:
        x = x @ _hats(across, width, x.device, x.dtype).mT
    if down != height:
        x = _hats(down, height, x.device, x.dtype) @ x
    return x


def _sides(x: Tensor) -> tuple[int, int]:
    """Height and width as numbers, which they are not while a graph is traced."""
    return int(x.shape[2]), int(x.shape[3])


@functools.lru_cache(maxsize=64)
def _hats(cells: int, wanted: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(wanted, cells): how much of each cell is in each of the ``wanted`` ones; rows sum to 1."""
    with torch.inference_mode(False), torch.no_grad():
        centres = (torch.arange(wanted, dtype=torch.float64, device="cpu") + 0.5) * cells / wanted - 0.5
        distance = centres.clamp(0, cells - 1)[:, None] - torch.arange(cells, device="cpu")
        return (1 - distance.abs()).clamp_min(0).to(device=device, dtype=dtype)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project (Sandler et al. 2018, section 3.3).

    ``conv`` is one flat Sequential: [1×1, BN, ReLU6,] depthwise 3×3, BN, ReLU6, 1×1, BN. The expansion is
    left out where ``expand_ratio`` is 1. Adds its input where the shape is kept.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, expand_ratio: float) -> None:
        super().__init__()
        hidden = in_channels if expand_ratio == 1 else make_divisible(in_channels * expand_ratio)
        layers = [] if expand_ratio == 1 else conv_bn_relu6(in_channels, hidden, 1)
        layers += conv_bn_relu6(hidden, hidden, 3, stride, groups=hidden)
        layers += [nn.Conv2d(hidden, out_channels, 1, bias=False), BatchNorm2d(out_channels)]
        self.conv = nn.Sequential(*layers)
        self.expansion_layers = 0 if expand_ratio == 1 else 3
        self.expanded_channels = hidden
        self.out_channels = out_channels
        self.adds_input = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, h, w) → (N, c_out, ⌈h / stride⌉, ⌈w / stride⌉)."""
        return self.forward_with_expansion(x)[1]

    def forward_with_expansion(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The expanded map before the depthwise filter (an SSD source), and the block's output."""
        expanded = x
        for layer in self.conv[: self.expansion_layers]:
            expanded = layer(expanded)
        out = expanded
        for layer in self.conv[self.expansion_layers :]:
            out = layer(out)
        return expanded, x + out if self.adds_input else out
