"""Matching: which prior learns which box (Liu et al. 2016, section 2.2).

Legend: N images, P priors, G boxes an image (padded), K crowd regions an image (padded).

A prior takes the box it overlaps most, if that is IoU ≥ 0.5 (or what the row says); before that every box takes a prior of its own,
however little they overlap. Two boxes that want the same prior do not overwrite each other: the one that
fits better has it, the other takes the best prior that is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vision.core.boxes import cxcywh_to_xyxy, pairwise_ioa, pairwise_iou
from vision.core.sample import BACKGROUND

CROWD_COVER = 0.5
"""A prior with at least this share of its area in a crowd region may show an object: it is no background."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Per prior: what it has to learn.

    * gt_index: (N, P) int64, index of its box in the padded batch, −1 = none
    * iou: (N, P) float32, overlap with that box; where there is none, the largest with any box
    * forced: (N, P) bool, matched because the box had to have one
    * ignored: (N, P) bool, neither object nor background: inside a crowd region, or near a box but not near enough
    """

    gt_index: Tensor
    iou: Tensor
    forced: Tensor
    ignored: Tensor

    @property
    def positive(self) -> Tensor:
        """(N, P) bool."""
        return self.gt_index >= 0


@torch.no_grad()
def match(
    priors_cxcywh: Tensor,
    boxes_xyxy: Tensor,
    labels: Tensor,
    ignore_xyxy: Tensor,
    iou_threshold: float = 0.5,
    background_below: float | None = None,
) -> Matches:
    """Priors (P, 4), boxes (N, G, 4), labels (N, G; 0 = padding), regions (N, K, 4) → ``Matches``.

    A prior that some box overlaps by ``background_below`` (None: the threshold) or more, and yet has none, is ignored: 0.5 and
    0.4 are those of Lin et al. 2017, section 4. Every box with an area that overlaps a prior still free gets at
    least one prior of its own. Never waits for the device.
    """
    priors_xyxy = cxcywh_to_xyxy(priors_cxcywh)
    n, p = boxes_xyxy.shape[0], priors_xyxy.shape[0]
    ignored = (pairwise_ioa(priors_xyxy, ignore_xyxy) >= CROWD_COVER).any(dim=-1)  # (N, P)
    if boxes_xyxy.shape[1] == 0:
        nothing = torch.zeros(n, p, device=boxes_xyxy.device)
        return Matches(torch.full_like(nothing, -1, dtype=torch.int64), nothing, nothing.bool(), ignored)
    real = (labels != BACKGROUND) & (boxes_xyxy[..., 2:] > boxes_xyxy[..., :2]).all(dim=-1)
    iou = pairwise_iou(torch.where(real[..., None], boxes_xyxy, 0.0), priors_xyxy)  # (N, G, P)
    best_iou, best_box = iou.max(dim=1)  # (N, P)
    own = own_boxes(iou)
    forced = own >= 0
    gt_index = torch.where(forced, own, torch.where(best_iou >= iou_threshold, best_box, -1))
    near = best_iou >= (iou_threshold if background_below is None else background_below)
    matched_iou = iou.gather(1, gt_index.clamp(min=0)[:, None, :])[:, 0]
    return Matches(
        gt_index,
        torch.where(gt_index >= 0, matched_iou, best_iou),
        forced,
        (ignored | near) & (gt_index < 0),
    )


def own_boxes(iou: Tensor) -> Tensor:
    """(N, G, P) overlaps → (N, P) int64: the box for which each prior is reserved, −1 = none.

    Boxes choose one after the other, best fitting first, each the best prior that is still free and that it
    overlaps at all. G short steps that never wait for the device.
    """
    n, g, p = iou.shape
    best, favourite = iou.max(dim=2)  # (N, G)
    order = best.argsort(dim=1, descending=True, stable=True)
    owner = torch.full((n, p), -1, dtype=torch.int64, device=iou.device)
    rows = torch.arange(n, device=iou.device)
    for turn in range(g):
        box = order[:, turn]  # (N,)
        overlap, prior = best[rows, box], favourite[rows, box]
        again = _to_search_again(rows, owner[rows, prior] >= 0)
        if len(again):
            free = owner[again] < 0
            overlap[again], prior[again] = (iou[again, box[again]] * free).max(dim=1)
        owner[rows, prior] = torch.where(overlap > 0, box, owner[rows, prior])
    return owner


def _to_search_again(rows: Tensor, taken: Tensor) -> Tensor:
    """Images whose box finds its favourite prior taken; on a device that is not to be waited for, all."""
    if rows.device.type == "cpu" and not torch.compiler.is_compiling():
        return rows[taken]
    return rows
