"""Coding: boxes as offsets from priors, and back (Girshick et al. 2014, appendix C; SSD's variances).

t_xy = (g_xy − p_xy) / p_wh / 0.1        t_wh = ln(g_wh / p_wh) / 0.2
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vision.core.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh

LARGEST_LOG_RATIO = math.log(1000 / 16)
"""No box is decoded to more than 62.5 times its prior: exp() of a wild offset would leave FP16's range."""

SMALLEST_LOG_RATIO = -30.0
"""A box of 10⁻¹³ of its prior is empty in float32; the bound is there because TensorRT 7 cannot read a clip without one."""

SMALLEST_SIDE = 1e-6
"""Sides are at least this when encoded, so that no target is −∞; a millionth of the image is far below a pixel."""


@dataclass(frozen=True)
class BoxCoder:
    """The variances divide the targets, so that a typical target is of order 1."""

    centre_variance: float = 0.1
    size_variance: float = 0.2

    def encode(self, boxes_xyxy: Tensor, priors_cxcywh: Tensor) -> Tensor:
        """Boxes (..., P, 4), one for each prior (P, 4), same unit → offsets (..., P, 4); finite for all boxes."""
        boxes = xyxy_to_cxcywh(boxes_xyxy)
        prior_xy, prior_wh = priors_cxcywh[..., :2], priors_cxcywh[..., 2:4]
        xy = (boxes[..., :2] - prior_xy) / prior_wh / self.centre_variance
        wh = torch.log(boxes[..., 2:].clamp(min=SMALLEST_SIDE) / prior_wh) / self.size_variance
        return torch.cat([xy, wh], dim=-1)

    def decode(self, offsets: Tensor, priors_cxcywh: Tensor) -> Tensor:
        """Offsets (..., P, 4) → boxes (..., P, 4) as corners, in the unit of the priors; not clamped to the image."""
        prior_xy, prior_wh = priors_cxcywh[..., :2], priors_cxcywh[..., 2:4]
        xy = offsets[..., :2] * self.centre_variance * prior_wh + prior_xy
        log_ratio = (offsets[..., 2:4] * self.size_variance).clamp(SMALLEST_LOG_RATIO, LARGEST_LOG_RATIO)
        wh = torch.exp(log_ratio) * prior_wh
        return cxcywh_to_xyxy(torch.cat([xy, wh], dim=-1))
