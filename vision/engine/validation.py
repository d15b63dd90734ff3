"""The validation of an epoch: loss over the whole split, and COCO mAP from the same pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vision.core.sample import Batch
from vision.engine import coco_map
from vision.engine.distributed import Group
from vision.engine.evaluate import predict
from vision.engine.interrupt import StopRequest
from vision.engine.results import Results
from vision.ssd.loss import SsdLoss
from vision.ssd.model import Detector


class Interrupted(Exception):
    """A signal came during validation; nothing was changed, it is done anew after a resume."""


@dataclass
class LossMeter:
    """An observer of ``predict``: the loss of all batches together, divided by their positives together."""

    loss: SsdLoss
    stop: StopRequest
    group: Group
    sums: dict[str, float] = field(default_factory=lambda: {"classification": 0.0, "localization": 0.0})
    positives: int = 0

    def __call__(self, logits: Tensor, offsets: Tensor, batch: Batch) -> None:
        """Raises Interrupted where a signal has come."""
        if self.stop.asked and self.group.world == 1:  # peers finish together; their shards are short
            raise Interrupted
        parts = self.loss(logits, offsets, batch, normaliser=1.0)
        self.sums["classification"] += float(parts.classification)
        self.sums["localization"] += float(parts.localization)
        self.positives += int(parts.positives)

    def metrics(self) -> dict[str, float]:
        """``val_loss`` and its two parts, over the shards of all processes."""
        shards = self.group.gather((self.sums, self.positives))
        divisor = max(1, sum(positives for _, positives in shards))
        parts = {f"val_{name}": sum(sums[name] for sums, _ in shards) / divisor for name in self.sums}
        return {"val_loss": sum(parts.values()), **parts}


def validate(
    detector: Detector,
    loader: Iterable[Batch],
    dataset: Any,
    loss: SsdLoss,
    device: torch.device,
    amp_dtype: torch.dtype | None,
    stop: StopRequest,
    group: Group,
    with_map: bool,
) -> dict[str, float]:
    """``val_loss``, its parts and, ``with_map``, COCO's 12 numbers of ``dataset``."""
    meter = LossMeter(loss, stop, group)
    if with_map:
        results = predict(
            detector, loader, device, dataset.original_category_ids,
            amp_dtype=amp_dtype, observe=meter, progress=None if group.first else False, title="validate",
        )  # fmt: skip
        return {**meter.metrics(), **_scores(results, dataset, group)}
    before = detector.training
    detector.eval()
    with torch.inference_mode():
        for batch in loader:
            on_device = batch.to(device, non_blocking=True)
            meter(*forward(detector, detector, on_device, amp_dtype), on_device)
    detector.train(before)
    return meter.metrics()


def _scores(results: Results, dataset: Any, group: Group) -> dict[str, float]:
    """The shards of all processes scored once, by the first."""
    shards = group.gather(results)
    scores = coco_map.score(Results.concatenate(shards), dataset).metrics if group.first else None
    return group.gather(scores)[0]


def forward(
    model: Any, detector: Detector, batch: Batch, amp_dtype: torch.dtype | None
) -> tuple[Tensor, Tensor]:
    """Batch on the device → logits (N, P, C), offsets (N, P, 4) of ``model``, which may wrap ``detector``."""
    images = detector.input_spec.normalise(batch.images)
    if next(detector.parameters()).is_contiguous(memory_format=torch.channels_last):
        images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast(images.device.type, dtype=amp_dtype or torch.bfloat16, enabled=amp_dtype is not None):
        return model(images)
