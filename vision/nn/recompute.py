"""Blocks whose activations are not kept for the backward pass, but computed again in it: less memory, more time, and the same
numbers to the bit, batch statistics included.

(Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".) ``torch.utils.checkpoint`` does the same, but would update
the running statistics a second time, and imports torch's compiler, which takes seconds and 100 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from vision.messages.terminal import counted

Call = Callable[[], None]


def blocks_of(net: nn.Module) -> list[nn.Module]:
    """What can be computed again of ``net``, none inside of another, in the order of its layers: all that hold a convolution and
    more. Their first layer must not write to what comes in."""
    found = []
    for child in net.children():
        if isinstance(child, nn.Conv2d) or not any(isinstance(layer, nn.Conv2d) for layer in child.modules()):
            continue
        is_row = isinstance(child, (nn.Sequential, nn.ModuleList)) and not any(
            isinstance(layer, nn.Conv2d) for layer in child
        )
        found += blocks_of(child) if is_row else [child]
    return found


def recompute(blocks: Sequence[nn.Module], before: Call = lambda: None) -> None:
    """Let ``blocks`` compute their activations again from here on; ``before`` is called before each of them in both passes."""
    for block in blocks:
        block.forward = _Recomputed(block, before)


def keep(blocks: Sequence[nn.Module]) -> None:
    """The opposite of ``recompute``."""
    for block in blocks:
        block.__dict__.pop("forward", None)


class _Recomputed:
    """In the place of a block's ``forward``. Copies of the block compute again, too."""

    def __init__(self, block: nn.Module, before: Call) -> None:
        self.block, self.before = block, before

    def __call__(self, *inputs: Tensor) -> Any:
        if not torch.is_grad_enabled():
            return type(self.block).forward(self.block, *inputs)
        self.before()
        again = _Again(self, inputs)
        with saved_tensors_hooks(again.number, again.value):
            return type(self.block).forward(self.block, *inputs)


class _Enough(Exception):
    """All that the backward pass needs is there."""


class _Again:
    """One run of a block: numbers in the place of the tensors that it saves, and the tensors when the first is wanted."""

    def __init__(self, how: _Recomputed, inputs: tuple[Tensor, ...]) -> None:
        self.how, self.inputs, self.count = how, inputs, 0
        self.versions = [one._version for one in inputs]
        self.values: dict[int, Tensor] = {}
        kind = inputs[0].device.type
        self.autocast = kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind)

    def number(self, saved: Tensor) -> int:
        self.count += 1
        return self.count - 1

    def value(self, number: int) -> Tensor:
        if number not in self.values:
            self._run()
        return self.values.pop(number)

    def _run(self) -> None:
        if [one._version for one in self.inputs] != self.versions:
            raise RuntimeError(f"{type(self.how.block).__name__}: what came in was written to since")
        found: list[Tensor] = []

        def note(saved: Tensor) -> None:
            found.append(saved.detach())
            if len(found) == self.count:
                raise _Enough

        self.how.before()
        block, (kind, dtype, enabled) = self.how.block, self.autocast
        inputs = [one.detach().requires_grad_(one.requires_grad) for one in self.inputs]
        with torch.enable_grad(), torch.autocast(kind, dtype, enabled), _buffers_untouched(block):
            try:
                with saved_tensors_hooks(note, lambda nothing: nothing):
                    type(block).forward(block, *inputs)
            except _Enough:
                pass
        if len(found) != self.count:
            raise RuntimeError(
                f"{type(block).__name__}: saved {counted(len(found), 'tensor')}, {self.count} the first time"
            )
        self.values = dict(enumerate(found))


@contextmanager
def _buffers_untouched(block: nn.Module) -> Iterator[None]:
    """Running statistics were updated in the forward pass; those of the second one go into copies."""
    kept = [(layer._buffers, dict(layer._buffers)) for layer in block.modules() if layer._buffers]
    for buffers, own in kept:
        buffers.update({name: None if one is None else one.clone() for name, one in own.items()})
    try:
        yield
    finally:
        for buffers, own in kept:
            buffers.update(own)
