"""A training step as the ancestors make it, written from its measured behaviour: planes first, mining by two sorts, Adam.

Legend: N images, P priors, C classes with background.

What their data workers do is not in it: images come as normalised float32, boxes come matched to the priors. What they
match is what ours matches, so that the gradients can be compared.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from vision.core.sample import Batch
from vision.engine.state import seed_everything
from vision.ssd.build import build_loss
from vision.ssd.model import Detector

LR = 1e-3
NEGATIVES_PER_POSITIVE = 3


def stepper(
    model: Detector, batch: Batch, dtype: torch.dtype = torch.float32
) -> Callable[[], dict[str, float]]:
    """One step each time it is called. What it is to compute is the same in each ``dtype``: matched in float32."""
    seed_everything(0)
    offsets, labels = targets(model, batch)
    offsets, images = offsets.to(dtype), model.input_spec.normalise(batch.images).to(dtype)
    model.to(dtype)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    model.train()

    def step() -> dict[str, float]:
        optimizer.zero_grad()
        logits, found = model(images)
        classification, localization = loss(logits, found, labels, offsets)
        total = classification + localization
        total.backward()
        optimizer.step()
        return {
            "loss": total.item(),
            "classification": classification.item(),
            "localization": localization.item(),
        }

    return step


@torch.no_grad()
def targets(model: Detector, batch: Batch) -> tuple[Tensor, Tensor]:
    """What the data workers give: offsets (N, P, 4), labels (N, P)."""
    matches = build_loss(model).match(batch)
    index = matches.gt_index.clamp(min=0)
    boxes = batch.boxes_xyxy.gather(1, index[..., None].expand(-1, -1, 4))
    labels = torch.where(matches.positive, batch.labels.gather(1, index), 0)
    return model.coder.encode(boxes, model.priors_cxcywh), labels


def loss(logits: Tensor, offsets: Tensor, labels: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, P, C), offsets (N, P, 4), labels (N, P), wanted offsets → classification and localization, of a positive."""
    with torch.no_grad():
        chosen = mined(-F.log_softmax(logits, dim=2)[:, :, 0], labels)
    positive = labels > 0
    classification = F.cross_entropy(logits[chosen], labels[chosen], reduction="sum")
    localization = F.smooth_l1_loss(offsets[positive], wanted[positive], reduction="sum")
    positives = positive.sum()
    return classification / positives, localization / positives


def mined(background_loss: Tensor, labels: Tensor) -> Tensor:
    """(N, P) → (N, P) bool: positives, and the negatives of the worst ranks, which a second sort tells."""
    positive = labels > 0
    negatives = positive.long().sum(dim=1, keepdim=True) * NEGATIVES_PER_POSITIVE
    background_loss[positive] = -torch.inf
    _, order = background_loss.sort(dim=1, descending=True)
    _, rank = order.sort(dim=1)
    return positive | (rank < negatives)
