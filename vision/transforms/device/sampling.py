"""A batch of raw records → the images that the network sees: window, flip, size and colour, on whatever device the records are.

Only whole numbers that the types hold exactly are computed, so a CPU and a GPU, one thread or many, compiled or not, give the
same bytes. Legend: N images of a batch, R records, S × S px of a record, H × W px of the result, C channels of a plane.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from vision.transforms.device.places import BOTTOM, COLOUR, COLOUR_BITS, LEFT, PX_BITS, RIGHT, TOP, X, Y

BITS = 7
"""Samples are placed in steps of 1/128 px: 8 bits of a pixel and twice 7 of a weight are 22, which float32 holds."""


def planes_of(records: Tensor, pack_format: str, size: int) -> list[Tensor]:
    """(R, bytes) uint8 raw records → their planes (R, h, w, C), views: one of rgb or grey; Y, U and V."""
    if pack_format != "yuv420":
        return [records.unflatten(1, (size, size, -1))]
    luma, half = size * size, size // 2
    ends = (0, luma, luma + half * half, luma + 2 * half * half)
    parts = (records[:, first:end] for first, end in itertools.pairwise(ends))
    return [part.unflatten(1, (side, side, 1)) for part, side in zip(parts, (size, half, half), strict=True)]


def shown(
    planes: Sequence[Tensor], numbers: Tensor, places: Tensor, size_hw: tuple[int, int], fill: int
) -> Tensor:
    """(N, 3, H, W) uint8 RGB, channels last in memory.

    :param planes: of R records, each (R, h, w, C) uint8; rgb, grey, or Y, U and V of which U and V have half the sides
    :param numbers: (N,) int64 in 0..R−1: whose records
    :param places: (N, FIELDS) int64, ``vision.transforms.device.places``
    :param fill: all channels where the window reaches beyond the image
    """
    height, width = size_hw
    maps: list[Tensor] = []
    for plane in planes:
        bits = PX_BITS + (plane.shape[1] < planes[0].shape[1])  # a pixel of chroma is two of the record
        rows = _taps(places[:, Y], height, plane.shape[1], bits)
        columns = _taps(places[:, X], width, plane.shape[2], bits)
        maps += _sampled(plane, numbers, rows, columns).unbind(-1)
    first, second, third = (one[:, None] for one in (maps if len(maps) == 3 else maps * 3))
    matrix = (places[:, COLOUR].float() / (1 << COLOUR_BITS)).view(-1, 3, 4, 1, 1)
    rgb = torch.mul(first, matrix[:, :, 0])  # (N, 3, H, W)
    rgb.addcmul_(second, matrix[:, :, 1]).addcmul_(third, matrix[:, :, 2]).add_(matrix[:, :, 3] - fill)
    rgb.round_().clamp_(-fill, 255 - fill).mul_(_inside(places, size_hw)).add_(fill)
    return rgb.to(torch.uint8, memory_format=torch.channels_last)


def _taps(axis: Tensor, count: int, length: int, bits: int) -> tuple[Tensor, Tensor, Tensor]:
    """The two pixels along an axis that each of ``count`` results is between: (N, count) int64 each, and how far behind the first, in steps."""
    start, step = axis[:, :1], axis[:, 1:]
    twice = (
        2 * start + (2 * torch.arange(count, device=axis.device) + 1) * step
    )  # corners of pixels are points
    steps = ((twice - (1 << bits) + (1 << (bits - BITS))) >> (bits + 1 - BITS)).clamp_(
        0, (length - 1) << BITS
    )
    first = steps >> BITS
    return first, (first + 1).clamp_(max=length - 1), steps - (first << BITS)


def _sampled(
    plane: Tensor,
    numbers: Tensor,
    rows: tuple[Tensor, Tensor, Tensor],
    columns: tuple[Tensor, Tensor, Tensor],
) -> Tensor:
    """(R, h, w, C) uint8 → (N, H, W, C) float32, bilinear and rounded: 0..255."""
    (top, bottom, down), (left, right, along) = rows, columns
    one, channels = 1 << BITS, plane.shape[3]
    above, below = (
        plane[numbers[:, None], row].flatten(2).to(torch.int16) for row in (top, bottom)
    )  # (N, H, w · C)
    mixed = below.sub_(above).mul_(down.to(torch.int16)[:, :, None]).add_(above, alpha=one)
    near, far = (_gathered(mixed, column, channels) for column in (left, right))  # (N, H, W · C)
    weight = along.repeat_interleave(channels, dim=1).float()[:, None]
    between = far.sub_(near).mul_(weight).add_(near, alpha=one).div_(one * one).round_()
    return between.unflatten(2, (-1, channels))


def _gathered(mixed: Tensor, column: Tensor, channels: int) -> Tensor:
    """(N, H, w · C) int16 and (N, W) → (N, H, W · C) float32."""
    wanted = (column[:, :, None] * channels + torch.arange(channels, device=column.device)).flatten(1)
    return mixed.gather(2, wanted[:, None].expand(-1, mixed.shape[1], -1)).float()


def _inside(places: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """(N, 1, H, W) float32: 1 where the image is seen, 0 elsewhere."""
    down, along = (torch.arange(side, device=places.device) for side in size_hw)
    rows = (down >= places[:, TOP, None]) & (down < places[:, BOTTOM, None])
    columns = (along >= places[:, LEFT, None]) & (along < places[:, RIGHT, None])
    return (rows[:, :, None] & columns[:, None])[:, None].float()
