"""Priors: the boxes that the offsets of an SSD are relative to.

Legend: P priors, h × w cells a map, A shapes a cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vision.core.sample import InputSpec
from vision.ssd.priors.profiles import MapPriors, PriorProfile


def make_priors(profile: PriorProfile, map_sizes: Sequence[tuple[int, int]], input_spec: InputSpec) -> Tensor:
    """All priors, (P, 4) float32 ``cxcywh`` in fractions of the input, clamped to [0, 1] in this form.

    ``map_sizes`` are (h, w) of the real maps, finest first. Order: map, row, column, shape: that of the
    heads' outputs. The clamp shortens sides, and moves the last centres of the ancestors' grid onto the border
    (not torchvision's: ``centres_inside``).
    Raises ValueError where profile and maps differ in number.
    """
    if len(profile.maps) != len(map_sizes):
        raise ValueError(
            f"prior profile {profile.name!r} has {len(profile.maps)} maps, the net has {len(map_sizes)}: "
            "take a profile that was made for this net"
        )
    parts = [_map_priors(single, hw, input_spec) for single, hw in zip(profile.maps, map_sizes, strict=True)]
    boxes = torch.cat(parts)
    (boxes if profile.centres_inside else boxes[:, 2:]).clamp_(0.0, 1.0)
    return boxes.float()


def _map_priors(single: MapPriors, hw: tuple[int, int], input_spec: InputSpec) -> Tensor:
    """One map → (h·w·A, 4) float64."""
    centres_y = _centres(hw[0], input_spec.height, single.cells_at_300)
    centres_x = _centres(hw[1], input_spec.width, single.cells_at_300)
    y, x = torch.meshgrid(centres_y, centres_x, indexing="ij")
    centres = torch.stack([x, y], dim=-1)[:, :, None, :]  # (h, w, 1, 2)
    shapes = torch.tensor(single.shapes, dtype=torch.float64)  # (A, 2)
    full = (*hw, len(shapes), 2)
    return torch.cat([centres.expand(full), shapes.expand(full)], dim=-1).reshape(-1, 4)


def _centres(cells: int, side_px: int, cells_at_300: float | None) -> Tensor:
    # the ancestors' grid is a little wider than the image (18.75 cells for 19); their weights expect it
    divisions = cells_at_300 if cells_at_300 and side_px == 300 else cells
    return (torch.arange(cells, dtype=torch.float64) + 0.5) / divisions
