"""The detector: a backbone, a neck and heads, composed.

Legend: N images, P priors, C classes with background, c logits a prior: C, or C − 1 where scores are sigmoids.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vision.core.sample import InputSpec
from vision.ssd.coding import BoxCoder
from vision.ssd.heads import Headers, NoOffsets, SharedHeaders, flatten_predictions
from vision.ssd.variants import Variant


class Detector(nn.Module):
    """Gives the same raw tensors in training and in evaluation; loss and post-processing are elsewhere.

    The names ``base_net``, ``extras`` (the neck), ``classification_headers`` and ``regression_headers`` are
    those of the ancestors' weights.
    """

    priors_cxcywh: Tensor
    zero: Tensor | None
    """The input, (1, channels, 1, 1), that the first layer sees as 0; None where that is 0 itself."""

    def __init__(
        self,
        base_net: nn.Module,
        extras: nn.Module,
        classification_headers: Headers | SharedHeaders,
        regression_headers: Headers | SharedHeaders | NoOffsets,
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
        self.register_buffer("zero", _zero_input(variant, input_spec), persistent=False)
        self.coder = coder
        self.num_classes = num_classes
        self.input_spec = input_spec
        self.variant = variant

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, channels, H, W) float, normalised → logits (N, P, c), offsets (N, P, 4), in the order of the priors."""
        maps = self.extras(self.base_net(images if self.zero is None else images - self.zero))
        values = self.num_classes - self.variant.first_class
        logits = [flatten_predictions(each, values) for each in self.classification_headers(maps)]
        offsets = [flatten_predictions(each, 4) for each in self.regression_headers(maps)]
        return torch.cat(logits, dim=1), torch.cat(offsets, dim=1)


def _zero_input(variant: Variant, spec: InputSpec) -> Tensor | None:
    if variant.zero is None:
        return None
    pixel = torch.tensor(variant.zero)[None, :, None, None]
    return spec.normalise(pixel)
