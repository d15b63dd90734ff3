"""Focal loss (Lin et al. 2017, section 3): every prior counts, and what is already told well counts little.

Legend: N images, P priors, C classes with background, p the probability that is given to what is there, α its weight.

    FL = −α (1 − p)^γ ln p
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vision.ssd.losses.matching import Matches


@dataclass(frozen=True)
class Focal:
    """``alpha`` is the weight of objects and 1 − ``alpha`` that of background; None weighs both by 1.

    Raises ValueError for an alpha outside [0, 1] and a gamma below 0.
    """

    alpha: float | None = 0.25
    gamma: float = 2.0

    def __post_init__(self) -> None:
        if (self.alpha is not None and not 0 <= self.alpha <= 1) or not self.gamma >= 0:
            raise ValueError(
                f"focal loss with alpha {self.alpha}, gamma {self.gamma}: alpha is 0 to 1, gamma at least 0"
            )

    def _weighted(self, log_p: Tensor, log_rest: Tensor, is_object: Tensor) -> Tensor:
        """ln p and ln (1 − p) of what is there → the loss; of logarithms, so that no gradient is 0 · ∞."""
        loss = -torch.exp(self.gamma * log_rest) * log_p if self.gamma else -log_p
        return (
            loss if self.alpha is None else torch.where(is_object, self.alpha * loss, (1 - self.alpha) * loss)
        )


class SoftmaxFocal(Focal):
    """p by softmax over all classes, background among them: one loss a prior."""

    def __call__(self, logits: Tensor, targets: Tensor, matches: Matches) -> Tensor:
        """Logits (N, P, C) float32, targets (N, P) int64 (0 = background) → their loss, summed; ignored priors left out."""
        right = F.one_hot(targets, logits.shape[-1]).bool()
        total = logits.logsumexp(dim=-1)
        log_p = logits.gather(-1, targets[..., None])[..., 0] - total
        log_rest = logits.masked_fill(right, -torch.inf).logsumexp(dim=-1) - total
        return torch.where(matches.ignored, 0.0, self._weighted(log_p, log_rest, targets > 0)).sum()


class SigmoidFocal(Focal):
    """p by a sigmoid for each object class, which is there or is not: C − 1 losses a prior, and no logit for background."""

    def __call__(self, logits: Tensor, targets: Tensor, matches: Matches) -> Tensor:
        """Logits (N, P, C − 1) float32, targets (N, P) int64 (0 = background) → their loss, summed; ignored priors left out."""
        is_object = F.one_hot(targets, logits.shape[-1] + 1)[..., 1:].bool()
        right = torch.where(is_object, logits, -logits)
        loss = self._weighted(F.logsigmoid(right), F.logsigmoid(-right), is_object)
        return torch.where(matches.ignored[..., None], 0.0, loss).sum()
