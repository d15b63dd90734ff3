"""The module that is exported: everything detectNet leaves to the network, and nothing that it does itself.

Legend: P priors, C classes with background.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vision.messages.advice import UserError
from vision.ssd.model import Detector


class DetectNetGraph(nn.Module):
    """(1, 3, H, W) float32 ``pixel / 127.5 − 1`` → scores (1, P, C) by softmax, boxes (1, P, 4) as corners.

    Boxes are fractions of the image and not clamped: detectNet does that after merging. Priors and variances
    are constants of the graph.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        if detector.variant.score_function != "softmax":
            raise UserError(
                f"{detector.variant.name} scores by {detector.variant.score_function}; detectNet takes the best "
                "class of a softmax"
            )
        self.detector = detector

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits, offsets = self.detector(images)
        boxes = self.detector.coder.decode(offsets, self.detector.priors_cxcywh)
        return torch.softmax(logits, dim=-1), boxes
