"""The detector: a backbone, a neck and heads, composed.

Legend: N images, P priors, C classes with background.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vision.core.sample import InputSpec
from vision.ssd.coding import BoxCoder
from vision.ssd.heads import flatten_predictions
from vision.ssd.variants import Variant


class Detector(nn.Module):
    """Gives the same raw tensors in training and in evaluation; loss and post-processing are elsewhere.

    The names ``base_net``, ``extras`` (the neck), ``classification_headers`` and ``regression_headers`` are
    those of the ancestors' weights.
    """

    priors_cxcywh: Tensor

    def __init__(
        self,
        base_net: nn.Module,
        extras: nn.Module,
        classification_headers: nn.ModuleList,
        regression_headers: nn.ModuleList,
        priors_cxcywh: Tensor,
        coder: BoxCoder,
        num_classes: int,
        input_spec: InputSpec,
        variant: Variant,
    ) -> None:
        super().__init__()
        self.base_net = base_net
        self.extras = extras
        self.classification_headers = classification_headers
        self.regression_headers = regression_headers
        self.register_buffer("priors_cxcywh", priors_cxcywh, persistent=False)
        self.coder = coder
        self.num_classes = num_classes
        self.input_spec = input_spec
        self.variant = variant

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) float, normalised → logits (N, P, C), offsets (N, P, 4), in the order of the priors."""
        logits, offsets = [], []
        maps = self.extras(self.base_net(images))
        headers = zip(maps, self.classification_headers, self.regression_headers, strict=True)
        for features, classify, regress in headers:
            logits.append(flatten_predictions(classify(features), self.num_classes))
            offsets.append(flatten_predictions(regress(features), 4))
        return torch.cat(logits, dim=1), torch.cat(offsets, dim=1)
