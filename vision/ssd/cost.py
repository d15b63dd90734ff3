"""What a net costs: parameters and multiply-adds, counted without a number in it.

Counting rule: parameters are weights, biases and what BatchNorm learns (its statistics are none); one MAC is one
multiply-add of a convolution, the rest (BN, activations, resizing, softmax, boxes) is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vision.core.sample import InputSpec
from vision.ssd.build import assemble, shapes_alone, shapes_device, without_first_weights
from vision.ssd.variants import DEFAULT_PRIORS, Variant

COCO_CLASSES = 81


@dataclass(frozen=True)
class LayerCost:
    """One convolution as it is met on the way through the net: its name, what it gives (c, h, w), what it costs."""

    name: str
    output: tuple[int, int, int]
    parameters: int
    macs: int


@dataclass(frozen=True)
class Cost:
    """``parameters`` of the whole net, ``macs`` of one image, its number of ``priors``, and its convolutions in order."""

    parameters: int
    macs: int
    priors: int
    layers: tuple[LayerCost, ...]


def cost(
    variant: Variant,
    num_classes: int = COCO_CLASSES,
    input_spec: InputSpec | None = None,
    width_mult: float = 1.0,
    prior_profile: str = DEFAULT_PRIORS,
) -> Cost:
    """Of ``variant`` at ``input_spec`` (by default its own resolution, RGB), for ``num_classes`` with background."""
    width, height = variant.resolution
    spec = input_spec or InputSpec(height, width)
    with shapes_device(spec), without_first_weights():
        detector = assemble(variant, num_classes, spec, width_mult, prior_profile)
        parameters = sum(parameter.numel() for parameter in detector.parameters())
        layers = _convolutions(detector, torch.empty(1, spec.channels, spec.height, spec.width))
    return Cost(parameters, sum(layer.macs for layer in layers), len(detector.priors_cxcywh), tuple(layers))


def _convolutions(net: nn.Module, images: Tensor) -> list[LayerCost]:
    """Every convolution of a run of ``net`` on ``images`` (1, c, H, W); one that is met twice is there twice."""
    found: list[LayerCost] = []

    def watch(name: str, layer: nn.Conv2d) -> None:
        weights = layer.weight.numel()
        parameters = weights + (0 if layer.bias is None else layer.bias.numel())

        def note(module: nn.Module, given: Any, output: Tensor) -> None:
            _, channels, height, width = output.shape
            found.append(LayerCost(name, (channels, height, width), parameters, weights * height * width))

        layer.register_forward_hook(note)

    for name, layer in net.named_modules():
        if isinstance(layer, nn.Conv2d):
            watch(name, layer)
    shapes_alone(net)(images)
    return found
