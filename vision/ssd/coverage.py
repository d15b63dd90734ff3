"""Coverage: how well priors fit the boxes of a dataset, by object size.

A box that no prior overlaps by half is learned only from the one prior that is forced on it; a box that loses
even that one is not learned at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vision.core.boxes import cxcywh_to_xyxy, pairwise_iou
from vision.ssd.losses.matching import own_boxes

SMALL_AREA_PX, LARGE_AREA_PX = 32**2, 96**2
"""COCO's bounds between small, medium and large: area of the mask in the original image, px²."""


@dataclass(frozen=True)
class Coverage:
    """Shares in [0, 1] of ``boxes`` boxes; NaN where a size does not occur.

    * small, medium, large: have a prior of IoU ≥ 0.5
    * without_prior: are left with none, each with one of its own where priors allow it
    * without_prior_if_overwritten: are left with none where the last of several forced matches wins
    """

    boxes: int
    small: float
    medium: float
    large: float
    without_prior: float
    without_prior_if_overwritten: float

    def __str__(self) -> str:
        return (
            f"priors of IoU ≥ 0.5 for {self.small:.0%} of the small, {self.medium:.0%} of the medium, "
            f"{self.large:.0%} of the large of {self.boxes} boxes; "
            f"{self.without_prior:.1%} without any prior ({self.without_prior_if_overwritten:.1%} if forced "
            "matches overwrote each other)"
        )


def objects_of(data: Any, most: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of at most ``most`` images, evenly spread: (G, 4) corners as fractions, (G,) mask areas in px²; no crowd regions.

    ``data``: a data set of ``vision.datasets``; no image is read.
    """
    names = ("heights", "widths", "first_box", "boxes_xyxy_px", "is_crowd", "area")
    heights, widths, first_box, boxes, is_crowd, area = data.columns(*names)
    for index in np.unique(np.linspace(0, len(data) - 1, min(most, len(data))).astype(int)).tolist():
        own = slice(*first_box[index : index + 2].tolist())
        single = ~is_crowd[own]
        side = np.array([widths[index], heights[index]] * 2)
        yield boxes[own][single] / side, area[own][single]


def measure(
    images: Iterable[tuple[np.ndarray, np.ndarray]], priors_cxcywh: Tensor, iou_threshold: float = 0.5
) -> Coverage:
    """Priors (P, 4) as fractions of the input against the objects of ``images``, crowd regions left out.

    An image is (boxes_xyxy (G, 4) as fractions of the image, area (G,) of the masks in px²); it counts as it
    is, without augmentation. Computes on the CPU.
    """
    priors_xyxy = cxcywh_to_xyxy(priors_cxcywh.cpu())
    best, areas, alone, overwritten = [], [], 0, 0
    for boxes_xyxy, area in images:
        if not len(boxes_xyxy):
            continue
        iou = pairwise_iou(torch.from_numpy(np.array(boxes_xyxy, np.float32)), priors_xyxy)  # (G, P)
        best.append(iou.amax(dim=1).numpy())
        areas.append(area)
        alone += len(boxes_xyxy) - _with_own_prior(iou, iou_threshold)
        overwritten += len(boxes_xyxy) - _with_prior_when_overwriting(iou, iou_threshold)
    return _summary(
        np.concatenate([*best, []]), np.concatenate([*areas, []]), alone, overwritten, iou_threshold
    )


def _summary(
    best: np.ndarray, area: np.ndarray, alone: int, overwritten: int, iou_threshold: float
) -> Coverage:
    def share(of: np.ndarray) -> float:
        return float((best[of] >= iou_threshold).mean()) if of.any() else float("nan")

    small, large = area < SMALL_AREA_PX, area >= LARGE_AREA_PX
    count = len(best)
    return Coverage(
        boxes=count,
        small=share(small),
        medium=share(~small & ~large),
        large=share(large),
        without_prior=alone / max(count, 1),
        without_prior_if_overwritten=overwritten / max(count, 1),
    )


def _with_own_prior(iou: Tensor, iou_threshold: float) -> int:
    """(G, P) → boxes that have a prior after matching as this project does it."""
    own = own_boxes(iou[None])[0]  # (P,)
    best, box = iou.max(dim=0)
    matched = torch.where(own >= 0, own, torch.where(best >= iou_threshold, box, -1))
    return int((matched.unique() >= 0).sum())


def _with_prior_when_overwriting(iou: Tensor, iou_threshold: float) -> int:
    """(G, P) → boxes that have a prior where the last box to force itself on a prior keeps it."""
    best, box = iou.max(dim=0)
    matched = torch.where(best >= iou_threshold, box, -1)
    for index, prior in enumerate(iou.argmax(dim=1).tolist()):
        matched[prior] = index
    return int((matched.unique() >= 0).sum())
