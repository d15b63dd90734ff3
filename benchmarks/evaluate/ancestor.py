"""Post-processing as the ancestors do it, written from its measured behaviour: class after class, box after box, in Python.

Legend: P priors, C classes with background, D detections.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vision.core.sample import Detections

CANDIDATES = 200
"""Of a class, the best that take part."""
EPSILON = 1e-5
"""Added to the union, as there."""
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2


def predict(
    logits: Tensor, offsets: Tensor, priors_cxcywh: Tensor, score_threshold: float, iou_threshold: float
) -> Detections:
    """Logits (P, C) and offsets (P, 4) of one image → all that is left of it, class after class; boxes as fractions."""
    scores, boxes = torch.softmax(logits, dim=1), decoded(offsets, priors_cxcywh)
    kept_boxes, kept_scores, kept_labels = [], [], []
    for label in range(1, scores.shape[1]):
        above = scores[:, label] > score_threshold
        own = scores[above, label]
        if not len(own):
            continue
        own_boxes = boxes[above]
        kept = hard_nms(own_boxes, own, iou_threshold)
        kept_boxes.append(own_boxes[kept])
        kept_scores.append(own[kept])
        kept_labels.append(torch.full((len(kept),), label))
    if not kept_boxes:
        return Detections(boxes[:0], scores[:0, 0], torch.zeros(0, dtype=torch.int64))
    return Detections(torch.cat(kept_boxes), torch.cat(kept_scores), torch.cat(kept_labels))


def decoded(offsets: Tensor, priors_cxcywh: Tensor) -> Tensor:
    """(P, 4) → corners (P, 4), fractions of the image."""
    centres = offsets[:, :2] * CENTRE_VARIANCE * priors_cxcywh[:, 2:] + priors_cxcywh[:, :2]
    sides = torch.exp(offsets[:, 2:] * SIZE_VARIANCE) * priors_cxcywh[:, 2:]
    return torch.cat([centres - sides / 2, centres + sides / 2], dim=1)


def hard_nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> list[int]:
    """(D, 4), (D,) → positions of what is kept, best first."""
    left = scores.argsort(descending=True)[:CANDIDATES]
    kept = []
    while len(left):
        kept.append(int(left[0]))
        first, left = boxes[left[0]], left[1:]
        left = left[iou(boxes[left], first[None]) <= iou_threshold]
    return kept


def iou(a: Tensor, b: Tensor) -> Tensor:
    """(D, 4), (1, 4) → (D,)."""
    shared = area(torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:]))
    return shared / (area(a[:, :2], a[:, 2:]) + area(b[:, :2], b[:, 2:]) - shared + EPSILON)


def area(low: Tensor, high: Tensor) -> Tensor:
    """(D, 2), (D, 2) → (D,); 0 where nothing is between them."""
    sides = (high - low).clamp(min=0)
    return sides[:, 0] * sides[:, 1]
