"""The module that is exported: everything detectNet leaves to the network, and nothing that it does itself.

detectNet feeds RGB. A grey detector is exported as one of RGB, which gives the same (``for_rgb``).

Legend: P priors, C classes with background.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from torch import Tensor, nn

from vision.core.sample import grey
from vision.nn.input_channels import on_rgb
from vision.ssd.model import Detector
from vision.ssd.postprocess import SCORE_FUNCTIONS


class DetectNetGraph(nn.Module):
    """(1, 3, H, W) float32 ``pixel / 127.5 − 1`` → scores (1, P, C), boxes (1, P, 4) as corners.

    Scores are the variant's: a softmax, or sigmoids behind a column for background, which detectNet passes over. Boxes are
    fractions of the image and not clamped: detectNet does that after merging. Priors and variances are constants of
    the graph. A grey detector sees the grey of the image.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector
        self.scores = SCORE_FUNCTIONS[detector.variant.score_function]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits, offsets = self.detector(grey(images) if self.detector.input_spec.channels == 1 else images)
        boxes = self.detector.coder.decode(offsets, self.detector.priors_cxcywh)
        return self.scores(logits), boxes


def for_rgb(detector: Detector) -> Detector:
    """The detector, or of a grey one a copy that looks at RGB: the shares of grey are in its first convolution."""
    if detector.input_spec.channels == 3:
        return detector
    base_net: Any = (detector := copy.deepcopy(detector)).base_net
    on_rgb(base_net, base_net.first_layer[0])
    detector.input_spec = dataclasses.replace(detector.input_spec, channels=3)
    return detector
