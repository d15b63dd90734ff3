"""One input channel or three: the same first convolution for both.

Legend: c output channels, k × k the kernel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vision.core.sample import GREY


def grey_kernel(kernel: Tensor) -> Tensor:
    """(c, 3, k, k) → (c, 1, k, k), which answers to a grey image as the other does to that image as R, G and B."""
    return kernel.sum(dim=1, keepdim=True)


def rgb_kernel(kernel: Tensor) -> Tensor:
    """(c, 1, k, k) → (c, 3, k, k), which answers to an RGB image as the other does to its grey (``GREY``).

    Exact up to rounding, padding included: grey is linear, the shares sum to 1 (so that (p − mean) / std of all channels
    alike stays what it is), and the grey of padding, 0 after the normalisation, is 0.
    """
    return kernel * kernel.new_tensor(GREY)[None, :, None, None]


def with_channels(
    weights: dict[str, Tensor], conv: str, module: nn.Module
) -> tuple[dict[str, Tensor], list[str]]:
    """The weights of ``module`` with the kernel of ``conv`` for as many input channels as it has there.

    Beside them a sentence where that changed the kernel, for people.

    A kernel of other numbers than 1 and 3, and one that is not there, stay as they are: for the report to name.
    """
    name, channels = f"{conv}.weight", module.get_submodule(conv).in_channels
    kernel = weights.get(name)
    if kernel is None or kernel.ndim != 4 or {kernel.shape[1], channels} != {1, 3}:
        return weights, []
    if channels == 1:
        note = "its first layer is summed over red, green and blue, for one grey channel"
        return weights | {name: grey_kernel(kernel)}, [note]
    note = "its first layer, which looks at grey, is spread over red, green and blue by their shares in grey"
    return weights | {name: rgb_kernel(kernel)}, [note]


def on_rgb(backbone: nn.Module, conv: str) -> None:
    """Lets a grey ``backbone`` look at RGB, in place: the shares of grey go into its first convolution, named ``conv``."""
    grey = backbone.get_submodule(conv)
    assert isinstance(grey, nn.Conv2d) and grey.in_channels == 1
    grey.in_channels = 3
    with torch.no_grad():
        grey.weight = nn.Parameter(rgb_kernel(grey.weight))
