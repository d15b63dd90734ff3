"""Post-processing: raw outputs → detections.

Legend: N images, P priors, C classes with background, c logits a prior (C or C − 1), D detections an image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vision.core.sample import Detections
from vision.ssd.suppression import nms

if TYPE_CHECKING:
    from vision.ssd.model import Detector


def sigmoids(logits: Tensor) -> Tensor:
    """(N, P, C − 1) → (N, P, C): each object class by itself, and before them 1 − the largest for background."""
    objects = torch.sigmoid(logits)
    return torch.cat([1 - objects.amax(dim=-1, keepdim=True), objects], dim=-1)


SCORE_FUNCTIONS = {"softmax": lambda logits: torch.softmax(logits, dim=-1), "sigmoid": sigmoids}
"""(N, P, c) logits → (N, P, C) probabilities; class 0 is background in each. Evaluation and the exported graph use the same."""


def are_finite(*outputs: Tensor) -> bool:
    """Whether a network's outputs (of any shape) hold neither NaN nor infinite values."""
    ends = [end.isfinite() for output in outputs if output.numel() for end in output.aminmax()]  # NaN is both
    return bool(torch.stack(ends).all()) if ends else True  # one look at the device


@torch.no_grad()
def detect(
    logits: Tensor,
    offsets: Tensor,
    detector: Detector,
    score_threshold: float = 0.01,
    iou_threshold: float | None = None,
    candidates: int | None = None,
    limit: int | None = None,
    score_function: str | None = None,
) -> list[Detections]:
    """Logits (N, P, c) and offsets (N, P, 4) → one ``Detections`` an image, boxes clamped to [0, 1].

    The ``candidates`` best (prior, class) pairs of an image with a score above ``score_threshold`` go through
    non-maximum suppression within each class; the ``limit`` best of what is left are given. What is None is the
    variant's (0.45, 400, 100, softmax). Computes in float32, suppresses in float64.
    """
    row = detector.variant
    own = row.postprocess
    score = SCORE_FUNCTIONS[score_function or row.score_function]
    boxes = detector.coder.decode(offsets.float(), detector.priors_cxcywh)
    return best(
        score(logits.float()),
        boxes,
        score_threshold,
        own.iou_threshold if iou_threshold is None else iou_threshold,
        own.candidates if candidates is None else candidates,
        own.limit if limit is None else limit,
    )


def best(
    scores: Tensor,
    boxes_xyxy: Tensor,
    score_threshold: float,
    iou_threshold: float,
    candidates: int,
    limit: int,
) -> list[Detections]:
    """Scores (N, P, C) and boxes (N, P, 4) as fractions → one ``Detections`` an image.

    Only pairs that can be shown compete for the ``candidates`` places: one whose score is not a number, or whose box is not
    or has nothing inside the image, takes none.
    """
    boxes = boxes_xyxy.clamp(0.0, 1.0)
    objects = scores[..., 1:]  # (N, P, C−1)
    shown = (boxes[..., 2:] > boxes[..., :2]).all(
        dim=-1, keepdim=True
    ) & ~objects.isnan()  # NaN > NaN is false
    competing = torch.where(shown, objects, -torch.inf).flatten(1)  # (N, P·(C−1))
    values, pairs = competing.topk(min(candidates, competing.shape[1]), dim=1)  # (N, D)
    labels, prior = pairs % objects.shape[2] + 1, pairs // objects.shape[2]
    chosen = boxes.gather(1, prior[..., None].expand(-1, -1, 4))
    counts = (values > score_threshold).sum(dim=1).tolist()  # best first; one look at the device
    # classes are kept apart by moving their boxes, which costs float32 the digits of small ones; float64 has them to 2⁻⁴⁵ here
    apart, ranked = chosen.double() + 2 * labels[..., None], values.double()
    found = []
    for i, count in enumerate(counts):
        kept = nms(apart[i, :count], ranked[i, :count], iou_threshold)[:limit]
        found.append(Detections(chosen[i, kept], values[i, kept], labels[i, kept]))
    return found
