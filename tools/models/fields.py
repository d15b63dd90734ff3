"""Receptive fields: how much of the image a cell of each layer's output can depend on, without a number computed.

Rule (Araujo et al. 2019, section 2): a field begins as one pixel of step 1. A convolution or pooling of kernel k and dilation d
makes it larger by (k − 1) · d steps and the step s times as long; of two inputs the larger field counts; interpolation looks one
cell further, space-to-depth takes the cells it joins. A layer behind a mean over a map (the convolutions of a squeeze-and-excitation) sees the whole
map and has no field: None. What such a gate says is left out where it meets the map again, since with it every layer behind would see the
whole image. Padding is seen, too: fields may be larger than the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vision.ssd.build import elementwise_passed_over
from vision.ssd.model import Detector

aten = torch.ops.aten
WHOLE = ("mean.dim", "_adaptive_avg_pool2d.default", "adaptive_avg_pool2d.default")
POOLS = ("max_pool2d_with_indices.default", "max_pool2d.default", "avg_pool2d.default")


@dataclass(frozen=True)
class Field:
    """(y, x) each: ``size`` px of the image, ``step`` px from a cell to the next, ``cells`` of the map."""

    size: tuple[float, float]
    step: tuple[float, float]
    cells: tuple[int, int]

    def through(self, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Field:
        size = [
            n + (k - 1) * d * s for n, k, d, s in zip(self.size, kernel, dilation, self.step, strict=True)
        ]
        step = [s * by for s, by in zip(self.step, stride, strict=True)]
        return Field((size[0], size[1]), (step[0], step[1]), self.cells)

    def onto(self, cells: tuple[int, int], interpolated: bool) -> Field:
        """On a map of other ``cells``: interpolated to more, or joined to fewer."""
        size, step = list(self.size), list(self.step)
        for axis, (now, was) in enumerate(zip(cells, self.cells, strict=True)):
            if now > was:
                size[axis] += self.step[axis] if interpolated else 0
                step[axis] = self.step[axis] * was / now
            elif round(was / now) > 1:
                size[axis] += (round(was / now) - 1) * self.step[axis]
                step[axis] = self.step[axis] * round(was / now)
        return Field((size[0], size[1]), (step[0], step[1]), cells)


class Watch(TorchDispatchMode):
    """Follows the fields of tensors through every operation within ``with``."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        height, width = images.shape[2:]
        self.known: dict[int, tuple[Tensor, Field | None]] = {}
        self._note(images, Field((1, 1), (1, 1), (height, width)))

    def field(self, tensor: Tensor) -> Field | None:
        """None: it sees the whole map."""
        assert id(tensor) in self.known, "an operation lost the way back to the image"
        return self.known[id(tensor)][1]

    def _note(self, tensor: Tensor, field: Field | None) -> None:
        self.known[id(tensor)] = (tensor, field)  # kept, so that no other tensor gets its id

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = [self.field(leaf) for leaf in tree_leaves((args, kwargs)) if id(leaf) in self.known]
        fields = [field for field in given if field is not None]
        output = func(*args, **(kwargs or {}))
        name = str(func).removeprefix("aten.")
        whole = not fields or (name in WHOLE and _spatial(args[0], output))
        for tensor in tree_leaves(output) if given else ():
            if isinstance(tensor, Tensor):
                self._note(tensor, None if whole else _after(name, args, fields, tensor))
        return output


def _spatial(given: Tensor, output: Tensor) -> bool:
    """Whether a mean is one over the cells of a map."""
    return given.ndim == 4 and output.shape[-2:] != given.shape[-2:]


def _after(name: str, args: tuple[Any, ...], fields: Sequence[Field], output: Tensor) -> Field:
    field = _union(fields)
    if name.startswith("convolution"):
        field = field.through(args[1].shape[2:], args[3], args[5])
        return Field(field.size, field.step, _cells(output))
    if name in POOLS:
        kernel, stride, _, dilation, *_ = [
            _pair(one) for one in (*args[1:5], *([1, 1], 0, 1)[len(args) - 2 :])
        ]
        field = field.through(kernel, stride or kernel, dilation if name.startswith("max") else (1, 1))
        return Field(field.size, field.step, _cells(output))
    if output.ndim != 4 or _cells(output) == field.cells:
        return field
    return field.onto(_cells(output), interpolated=not name.startswith("upsample_nearest"))


def _pair(value: Any) -> tuple[int, int]:
    pair = list(value) if isinstance(value, (list, tuple)) else [value]
    return (int(pair[0]), int(pair[-1])) if pair else (0, 0)


def _cells(tensor: Tensor) -> tuple[int, int]:
    return int(tensor.shape[2]), int(tensor.shape[3])


def _union(fields: Sequence[Field]) -> Field:
    sizes, steps = zip(*(f.size for f in fields), strict=True), zip(*(f.step for f in fields), strict=True)
    size, step = [max(one) for one in sizes], [max(one) for one in steps]
    return Field((size[0], size[1]), (step[0], step[1]), max(field.cells for field in fields))


def fields_of(detector: Detector, images: Tensor) -> tuple[list[Field | None], list[Field | None]]:
    """Of each convolution in the order in which they are met, and of the scores of each map, finest first; None: the whole map.

    ``detector`` and ``images`` (1, c, H, W) are on the meta device.
    """
    layers: list[Field | None] = []
    maps: list[Field | None] = []
    with torch.no_grad(), Watch(images) as watch:

        def note(module: nn.Module, given: Any, output: Tensor) -> None:
            layers.append(watch.field(output))

        def note_maps(module: nn.Module, given: Any, output: list[Tensor]) -> None:
            maps.extend(map(watch.field, output))

        hooks = [m.register_forward_hook(note) for m in detector.modules() if isinstance(m, nn.Conv2d)]
        hooks.append(detector.classification_headers.register_forward_hook(note_maps))
        elementwise_passed_over(detector)(images)
    for hook in hooks:
        hook.remove()
    return layers, maps
