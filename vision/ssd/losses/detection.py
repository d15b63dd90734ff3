"""The loss of a batch (Liu et al. 2016, equations 1–3): where things are, and what they are.

Legend: N images, P priors, C classes with background, c values a prior (C, or C − 1 without one for background), G boxes an
image (padded).

    loss = (Σ over positives smooth-L1(offsets) + the loss of classes) / positives
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from vision.core.sample import BACKGROUND, Batch
from vision.ssd.losses.matching import Matches, match
from vision.ssd.losses.multibox import Multibox

LossOfClasses = Callable[[Tensor, Tensor, Matches], Tensor]
"""Logits (N, P, c) float32, targets (N, P) int64 (0 = background), matches → a sum over the batch.

A logit of −∞ is a class that is left out: it has no share of a softmax, no loss as a sigmoid, and no gradient."""


class Coder(Protocol):
    """What makes offsets of boxes: ``ssd.coding.BoxCoder``."""

    def encode(self, boxes_xyxy: Tensor, priors_cxcywh: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class LossParts:
    """Scalars, float32; ``total`` = ``classification`` + ``localization`` has a gradient.

    ``classification`` and ``localization`` are sums over the batch divided by the normaliser;
    ``positives`` is the number of matched priors in the batch.
    """

    total: Tensor
    classification: Tensor
    localization: Tensor
    positives: Tensor


@dataclass
class SsdLoss:
    """The loss of a batch, matching included. Always in float32, also under autocast.

    * classes: the loss of what things are
    * iou_threshold, background_below: see ``matching.match``
    * box_regression: false where boxes are the priors as they are, and cost nothing
    * first_class: label of the first of the c values: 1 where background has none
    """

    priors_cxcywh: Tensor
    coder: Coder
    classes: LossOfClasses = field(default_factory=Multibox)
    iou_threshold: float = 0.5
    background_below: float | None = None
    box_regression: bool = True
    first_class: int = BACKGROUND

    def __call__(
        self, logits: Tensor, offsets: Tensor, batch: Batch, normaliser: Tensor | float | None = None
    ) -> LossParts:
        """Logits (N, P, c), offsets (N, P, 4), batch → ``LossParts``.

        ``normaliser`` replaces the division by this batch's positives (at least 1): the positives of all
        processes, or of all batches that are accumulated.
        """
        with torch.autocast(logits.device.type, enabled=False):
            return self._loss(logits.float(), offsets.float(), batch, normaliser)

    def _loss(
        self, logits: Tensor, offsets: Tensor, batch: Batch, normaliser: Tensor | float | None
    ) -> LossParts:
        matches = self.match(batch)
        positives = matches.positive.sum()
        divisor = positives.clamp(min=1) if normaliser is None else normaliser
        targets = _of_box(batch.labels, matches, otherwise=BACKGROUND)  # (N, P)
        if batch.unlabelled.shape[1]:
            logits = self._judged(logits, targets, batch.unlabelled)
        classification = self.classes(logits, targets, matches) / divisor
        localization = self._localization(offsets, batch, matches) / divisor
        return LossParts(classification + localization, classification, localization, positives)

    def _judged(self, logits: Tensor, targets: Tensor, unlabelled: Tensor) -> Tensor:
        """(N, P, c): −∞ where a prior has no box and may yet show an object of the class, which is ``unlabelled`` (N, U)."""
        labels = torch.arange(self.first_class, self.first_class + logits.shape[-1], device=logits.device)
        unknown = ((unlabelled[..., None] == labels) & (labels != BACKGROUND)).any(dim=1)  # (N, c)
        return logits.masked_fill((targets == BACKGROUND)[..., None] & unknown[:, None], -torch.inf)

    def match(self, batch: Batch) -> Matches:
        """The batch's boxes against the priors."""
        self.priors_cxcywh = self.priors_cxcywh.to(batch.boxes_xyxy.device)
        return match(
            self.priors_cxcywh,
            batch.boxes_xyxy,
            batch.labels,
            batch.ignore_xyxy,
            self.iou_threshold,
            self.background_below,
        )

    def _localization(self, offsets: Tensor, batch: Batch, matches: Matches) -> Tensor:
        if not self.box_regression:
            return offsets.new_zeros(())
        boxes = _of_box(batch.boxes_xyxy, matches, otherwise=0.0)  # (N, P, 4)
        targets = self.coder.encode(boxes, self.priors_cxcywh)
        loss = F.smooth_l1_loss(offsets, targets, reduction="none").sum(dim=-1)
        return torch.where(matches.positive, loss, 0.0).sum()


def _of_box(values: Tensor, matches: Matches, otherwise: float) -> Tensor:
    """(N, G, …) values of boxes → (N, P, …) values of the box each prior has, ``otherwise`` where it has none."""
    n = len(values)
    padded = torch.cat([values, values.new_full((n, 1, *values.shape[2:]), otherwise)], dim=1)
    index = torch.where(matches.positive, matches.gt_index, padded.shape[1] - 1)
    return padded[torch.arange(n, device=values.device)[:, None], index]
