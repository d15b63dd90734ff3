"""SSD's loss of classes: cross-entropy over positives and hard negatives (Liu et al. 2016, section 2.2).

Legend: N images, P priors, C classes with background.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vision.ssd.losses.matching import Matches


@dataclass(frozen=True)
class Multibox:
    """Three negatives for each positive of an image: the worst ones.

    An image without positives trains as if it had one: its hardest ``negatives_per_positive`` negatives.
    """

    negatives_per_positive: int = 3

    def __call__(self, logits: Tensor, targets: Tensor, matches: Matches) -> Tensor:
        """Logits (N, P, C) float32, targets (N, P) int64 (0 = background) → their loss, summed."""
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)
        trained = matches.positive | hard_negatives(loss.detach(), matches, self.negatives_per_positive)
        return torch.where(trained, loss, 0.0).sum()


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
