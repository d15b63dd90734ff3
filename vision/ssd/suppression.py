"""Non-maximum suppression by torchvision's kernel, without the rest of torchvision.

``import torchvision`` imports torch's compiler, sympy and its own models and data sets: 1,000 modules that nothing here
needs, in each process that trains or evaluates. Its compiled library alone is loaded in milliseconds.

Legend: D boxes of an image.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import torch
from torch import Tensor

LIBRARIES = ("_C_stable", "_C")
"""Names of the compiled library in torchvision's folder, newer ones first."""


def nms(boxes_xyxy: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Boxes (D, 4) in any unit, scores (D,) → int64 indices of what is kept, best first: no two whose IoU is above
    ``iou_threshold``."""
    return _kernel()(boxes_xyxy, scores, iou_threshold)


@functools.cache
def _kernel() -> Callable[[Tensor, Tensor, float], Tensor]:
    for library in _libraries():
        try:
            torch.ops.load_library(library)
            return torch.ops.torchvision.nms
        except (OSError, AttributeError):  # not for this torch, or not the one with the kernels
            continue
    from torchvision import (
        ops,
    )  # takes seconds: only where its files lie in another way, and to say what is wrong

    return ops.nms


def _libraries() -> list[Path]:
    found = importlib.util.find_spec("torchvision")  # looks for it, and imports nothing
    folders = (found.submodule_search_locations if found else None) or []
    paths = [
        Path(folder, name + suffix)
        for folder in folders
        for name in LIBRARIES
        for suffix in EXTENSION_SUFFIXES
    ]
    return [path for path in paths if path.is_file()]
