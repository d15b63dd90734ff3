"""What a training step holds at most for an image: counted while one of two images runs."""

from __future__ import annotations

import copy
import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from vision.core.sample import Batch
from vision.ssd.losses.detection import SsdLoss
from vision.ssd.model import Detector

IMAGES, BOXES = 2, 8
"""One image alone has nothing to take batch statistics of in the last maps."""


class _Held(TorchDispatchMode):
    """Notes each storage when it appears and when it goes."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch asks when the class is made: True would import its compiler, seconds and 100 MB, before the first operation."""
        return False

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.events: list[tuple[int, int]] = []
        self.known: dict[int, tuple[int, Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for one in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(one, Tensor):
                self._note(one.untyped_storage())
        return out

    def _note(self, storage: Any) -> None:
        if id(storage) in self.known:
            return
        number, key = len(self.sizes), id(storage)
        self.sizes.append(storage.nbytes())
        self.events.append((number, 1))

        def gone(_: Any) -> None:
            self.events.append((number, -1))
            self.known.pop(key, None)

        self.known[key] = number, weakref.ref(storage, gone)

    def most(self, but: set[int]) -> int:
        """The most bytes that were held at one time, without the storages of these numbers."""
        now = most = 0
        for number, change in self.events:
            if number not in but:
                now += change * self.sizes[number]
                most = max(most, now)
        return most


def bytes_an_image(
    model: Detector, loss: SsdLoss, device: torch.device, amp_dtype: torch.dtype | None
) -> int:
    """The most that forward, loss and backward pass hold at one time for an image, weights and gradients left out.

    By a copy of ``model``, whose batch statistics stay as they are; no random number is drawn.
    """
    model = copy.deepcopy(model).train()
    batch = _batch(model).to(device)
    held = _Held()
    with held:
        images = model.input_spec.normalise(batch.images).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, amp_dtype, enabled=amp_dtype is not None):
            logits, offsets = model(images)
        loss(logits, offsets, batch).total.backward()
        del images, logits, offsets
    gradients = {
        held.known[id(one.grad.untyped_storage())][0]
        for one in model.parameters()
        if one.grad is not None and id(one.grad.untyped_storage()) in held.known
    }
    return held.most(gradients) // IMAGES


def _batch(model: Detector) -> Batch:
    spec = model.input_spec
    corners = torch.linspace(0.05, 0.6, BOXES)[None, :, None].expand(IMAGES, BOXES, 2)
    return Batch(
        images=torch.zeros(IMAGES, 3, spec.height, spec.width, dtype=torch.uint8),
        boxes_xyxy=torch.cat([corners, corners + 0.3], dim=2),
        labels=torch.ones(IMAGES, BOXES, dtype=torch.int64),
        ignore_xyxy=torch.zeros(IMAGES, 0, 4),
        image_ids=torch.arange(IMAGES),
        original_hw=torch.tensor([[spec.height, spec.width]] * IMAGES),
        unlabelled=torch.zeros(IMAGES, 0, dtype=torch.int64),
    )
