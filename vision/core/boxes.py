"""Box geometry, for torch tensors. Formats: ``xyxy`` corners, ``cxcywh`` centre and size.

All functions take (..., 4) float tensors of any unit (pixels or fractions), the same for all arguments.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cxcywh_to_xyxy(boxes_cxcywh: Tensor) -> Tensor:
    """(..., 4) centre and size → (..., 4) corners."""
    centre, size = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:4]
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1)


def xyxy_to_cxcywh(boxes_xyxy: Tensor) -> Tensor:
    """(..., 4) corners → (..., 4) centre and size."""
    low, high = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def area(boxes_xyxy: Tensor) -> Tensor:
    """(..., 4) corners → (...,) area; boxes turned inside out count as empty."""
    size = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).clamp(min=0)
    return size[..., 0] * size[..., 1]


def pairwise_intersection(a_xyxy: Tensor, b_xyxy: Tensor) -> Tensor:
    """(..., A, 4) and (..., B, 4) corners → (..., A, B) area of overlap."""
    # coordinate by coordinate: four passes over (A, B) instead of many over (A, B, 2)
    ax1, ay1, ax2, ay2 = (side[..., :, None] for side in a_xyxy.unbind(-1))
    bx1, by1, bx2, by2 = (side[..., None, :] for side in b_xyxy.unbind(-1))
    width = (torch.minimum(ax2, bx2) - torch.maximum(ax1, bx1)).clamp(min=0)
    height = (torch.minimum(ay2, by2) - torch.maximum(ay1, by1)).clamp(min=0)
    return width * height


def pairwise_iou(a_xyxy: Tensor, b_xyxy: Tensor) -> Tensor:
    """(..., A, 4) and (..., B, 4) corners → (..., A, B) intersection over union in [0, 1]; 0 for empty boxes."""
    intersection = pairwise_intersection(a_xyxy, b_xyxy)
    union = area(a_xyxy)[..., :, None] + area(b_xyxy)[..., None, :] - intersection
    return _share(intersection, union)


def pairwise_ioa(a_xyxy: Tensor, b_xyxy: Tensor) -> Tensor:
    """(..., A, 4) and (..., B, 4) corners → (..., A, B) share of each A inside each B, in [0, 1].

    COCO's overlap with crowd regions: intersection over the area of A.
    """
    return _share(pairwise_intersection(a_xyxy, b_xyxy), area(a_xyxy)[..., :, None])


def _share(part: Tensor, whole: Tensor) -> Tensor:
    # where the whole is empty the part is too: 0 / tiny = 0
    return part / whole.clamp(min=torch.finfo(whole.dtype).tiny)
