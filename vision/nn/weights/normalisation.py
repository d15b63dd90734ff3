"""The numbers that published weights were trained on, folded into a first layer, so that every net takes the same ones.

Legend: c output channels, k × k the kernel, p a pixel in 0..255.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vision.core.sample import InputSpec
from vision.messages.advice import UserError

RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Normalisation:
    """Weights that expect (p − ``mean``) / ``std``, of red, green and blue; ``words`` is the same for people."""

    words: str
    mean: RGB
    std: RGB


IMAGENET = Normalisation(
    "(pixel / 255 − mean) / deviation of ImageNet",
    (0.485 * 255, 0.456 * 255, 0.406 * 255),
    (0.229 * 255, 0.224 * 255, 0.225 * 255),
)
"""torchvision.transforms' presets of classifiers."""
PYTORCH_SSD = Normalisation("(pixel − 127) / 128", (127.0,) * 3, (128.0,) * 3)
PYTORCH_SSD_VGG = Normalisation("pixel − (123, 117, 104)", (123.0, 117.0, 104.0), (1.0,) * 3)
TORCHVISION_SSD300 = Normalisation(
    "pixel − (123.0, 117.0, 104.0)", (0.48235 * 255, 0.45882 * 255, 0.40784 * 255), (1.0,) * 3
)
DEPLOYED = Normalisation("pixel / 127.5 − 1", (127.5,) * 3, (127.5,) * 3)


def fold(
    weights: Mapping[str, Tensor],
    conv: str,
    norm: str | None,
    theirs: Normalisation,
    spec: InputSpec,
    zero: RGB | None = None,
) -> dict[str, Tensor]:
    """Weights that expect ``theirs`` → weights that expect (p − spec.mean) / spec.std, the same net.

    (With y our input, theirs is y · spec.std / std + (spec.mean − mean) / std: the factor goes into the convolution ``conv``,
    what the constant adds into the running mean of ``norm``, or the bias of ``conv`` where nothing normalises it. Only in
    the outermost row of cells, where padding means another grey, do they differ: not where the net itself moves its input, so
    that the pixel ``zero`` is 0, and that is ``mean``.)

    A first layer that is not there, or has other channels than RGB or grey, stays as it is: for the report to name. One
    that looks at grey is folded where ``theirs`` is the same for red, green and blue; else raises UserError: nobody tells
    what its grey was trained on.
    """
    kernel = weights.get(f"{conv}.weight")
    name, sign = (f"{conv}.bias", 1) if norm is None else (f"{norm}.running_mean", -1)
    if (
        kernel is None
        or name not in weights
        or kernel.ndim != 4
        or kernel.shape[1] not in (1, 3)
        or not kernel.is_floating_point()
    ):
        return dict(weights)
    given = (theirs.mean, theirs.std, zero or (spec.mean,) * 3)
    if kernel.shape[1] == 1 and any(len({*each}) > 1 for each in given):
        raise UserError(
            f"the first layer of these weights takes one grey channel\n  why: their input, {theirs.words}, is one of red, "
            "green and blue, and nobody tells what it was in grey\n"
            "  fix: use RGB weights: their first layer is summed for a grey net"
        )
    mean, std, at = (torch.tensor(each, dtype=torch.float64)[: kernel.shape[1]] for each in given)
    kernel = kernel.double()  # (c, 3 or 1, k, k)
    moved = at - mean
    constant = (kernel.sum(dim=(2, 3)) * moved / std).sum(dim=1)  # (c,)
    return dict(weights) | {
        f"{conv}.weight": (kernel * (spec.std / std)[None, :, None, None]).float(),
        name: (weights[name].double() + sign * constant).float(),
    }
