"""The validation of an epoch: loss over the whole split, and COCO mAP from the same pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vision.core.sample import Batch
from vision.engine.distributed import Group
from vision.engine.evaluation import voc_ap
from vision.engine.evaluation.coco_map import Scores
from vision.engine.evaluation.predict import evaluation_mode, predict
from vision.engine.evaluation.results import Results
from vision.engine.evaluation.scoring import Scoring
from vision.engine.interrupt import StopRequest
from vision.engine.training.console import Console
from vision.ssd.losses.detection import SsdLoss
from vision.ssd.model import Detector
from vision.ssd.postprocess import are_finite

Validated = tuple[Scores, Results]
"""Scores, and the detections that they are of."""


class Interrupted(Exception):
    """A signal came during validation; nothing was changed, it is repeated after a resume."""


@dataclass
class LossMeter:
    """An observer of ``predict``: the loss of all batches together, divided by their positives together.

    NaN where any output is not finite, also one that the loss does not look at.
    """

    loss: SsdLoss
    group: Group
    sums: dict[str, float] = field(default_factory=lambda: {"classification": 0.0, "localization": 0.0})
    positives: int = 0

    def __call__(self, logits: Tensor, offsets: Tensor, batch: Batch) -> None:
        parts = self.loss(logits, offsets, batch, normaliser=1.0)
        self.sums["classification"] += (
            float(parts.classification) if are_finite(logits, offsets) else math.nan
        )
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
    console: Console,
    with_voc: bool = False,
    take: Callable[[Validated], None] | None = None,
) -> dict[str, float]:
    """``val_loss``, its parts and, ``with_map``, COCO's 12 numbers of ``dataset``; ``with_voc``, VOC's AP is said, its mean
    is ``voc_mean_ap``. ``take`` is given what was found and the scores of all classes, in the process that scores.

    Raises Interrupted in all processes, with the batch, once a signal has come to one of them.
    """
    meter = LossMeter(loss, group)
    loader = until_asked(loader, stop, group, device)
    with console.task("validation", share_of(len(dataset), group)) as advance:
        if with_map:
            with Scoring(dataset) as scoring:
                results = predict(
                    detector, loader, device, dataset.original_category_ids,
                    amp_dtype=amp_dtype, observe=meter, take=scoring.take, advance=advance,
                )  # fmt: skip
                metrics = meter.metrics()  # without a loss there are no detections that could be scored
                if math.isfinite(metrics["val_loss"]):
                    metrics.update(_scores(results, scoring, dataset, group, console, with_voc, take))
                return metrics
        with evaluation_mode(detector), torch.inference_mode():
            for batch in loader:
                on_device = batch.to(device, non_blocking=True)
                meter(*forward(detector, detector, on_device, amp_dtype), on_device)
                advance(len(batch))
    return meter.metrics()


def share_of(images: int, group: Group) -> int:
    """About how many of them this process looks at: the total of its progress line."""
    return -(-images // group.world)


def until_asked(
    batches: Iterable[Batch], stop: StopRequest, group: Group, device: torch.device
) -> Iterator[Batch]:
    """``batches`` in step with the other processes; raises Interrupted once a signal has come to one of them.

    Shards differ in length, so everyone stays in the exchange until nobody has a batch left: no process waits
    for one that does not answer.
    """
    own, somebody_has_more = iter(batches), 1
    while somebody_has_more:
        batch = next(own, None)
        asked, somebody_has_more = group.all_reduce_max(
            stop.signal or 0, int(batch is not None), device=device
        )
        stop.agree(asked)
        if asked:
            raise Interrupted
        if batch is not None:
            yield batch


def _scores(
    results: Results, scoring: Scoring, dataset: Any, group: Group, console: Console, with_voc: bool,
    take: Callable[[Validated], None] | None,
) -> dict[str, float]:  # fmt: skip
    """The shards of all processes scored once, by the first."""
    shards, scores = group.gather((results, scoring.matched())), {}
    if group.is_main:
        found = Results.concatenate([own for own, _ in shards])
        scored = scoring.scores(found, [matches for _, matches in shards[1:]])
        scores = dict(scored.metrics)
        if take is not None:
            take((scored, found))
        if with_voc:
            voc = voc_ap.score(found, dataset)
            scores["voc_mean_ap"] = voc.mean_ap_11_points
            console.say("\n".join(voc.lines()))
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
