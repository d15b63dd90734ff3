"""SSD's loss (Liu et al. 2016, equations 1–3): where things are, and what they are.

Legend: N images, P priors, C classes with background, G boxes an image (padded).

    loss = (Σ over positives smooth-L1(offsets) + Σ over positives and hard negatives cross-entropy) / positives
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vision.core.sample import BACKGROUND, Batch
from vision.ssd.coding import BoxCoder
from vision.ssd.matching import Matches, match


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
    """The loss of a batch, matching included.

    An image without positives trains as if it had one: its hardest ``negatives_per_positive`` negatives.
    Always in float32, also under autocast.
    """

    priors_cxcywh: Tensor
    coder: BoxCoder
    iou_threshold: float = 0.5
    negatives_per_positive: int = 3

    def __call__(
        self, logits: Tensor, offsets: Tensor, batch: Batch, normaliser: Tensor | float | None = None
    ) -> LossParts:
        """Logits (N, P, C), offsets (N, P, 4), batch → ``LossParts``.

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
        classification = self._classification(logits, batch, matches) / divisor
        localization = self._localization(offsets, batch, matches) / divisor
        return LossParts(classification + localization, classification, localization, positives)

    def match(self, batch: Batch) -> Matches:
        """The batch's boxes against the priors."""
        self.priors_cxcywh = self.priors_cxcywh.to(batch.boxes_xyxy.device)
        return match(
            self.priors_cxcywh, batch.boxes_xyxy, batch.labels, batch.ignore_xyxy, self.iou_threshold
        )

    def _classification(self, logits: Tensor, batch: Batch, matches: Matches) -> Tensor:
        targets = _of_box(batch.labels, matches, otherwise=BACKGROUND)  # (N, P)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)
        trained = matches.positive | hard_negatives(loss.detach(), matches, self.negatives_per_positive)
        return torch.where(trained, loss, 0.0).sum()

    def _localization(self, offsets: Tensor, batch: Batch, matches: Matches) -> Tensor:
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


@torch.no_grad()
def hard_negatives(loss: Tensor, matches: Matches, per_positive: int = 3) -> Tensor:
    """Loss of every prior as background (N, P) → (N, P) bool: the worst negatives of each image.

    ``per_positive`` for each positive of the image, and as many where it has none; ignored priors never. Of equal
    losses, which a net that has just begun has many of, the first priors are taken: the choice for an image must not
    depend on which others are in its batch.
    """
    candidate = ~(matches.positive | matches.ignored)
    wanted = per_positive * matches.positive.sum(dim=1).clamp(min=1)
    wanted = torch.minimum(wanted, candidate.sum(dim=1))[:, None]  # (N, 1)
    # what is not a number is the worst there is: it must reach the sum, not be left out of it
    score = torch.where(candidate, loss.nan_to_num(nan=torch.inf), -1.0)
    worst, _ = score.topk(_most(wanted, loss.shape[1], per_positive), dim=1)
    # topk chooses among equals as it likes, so only the value at the border is taken from it
    border = worst.gather(1, (wanted - 1).clamp(min=0))
    beyond, level = score > border, score == border
    missing = wanted - beyond.sum(dim=1, keepdim=True)
    return candidate & (beyond | (level & (level.cumsum(dim=1) <= missing)))


def _most(wanted: Tensor, priors: int, per_positive: int) -> int:
    """An upper bound of ``wanted`` that is known without waiting for the device."""
    if wanted.device.type == "cpu" and not torch.compiler.is_compiling():
        return max(1, int(wanted.max()))
    # min(per_positive · positives, priors − positives) is largest where both are equal
    return min(priors, priors * per_positive // (per_positive + 1) + per_positive)
