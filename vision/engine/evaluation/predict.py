"""A data set through a detector: batches → detections in px of the original images.

Legend: N images a batch, P priors, C classes with background, D detections of the batch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from vision.core.sample import Batch, Detections
from vision.engine.evaluation.results import Results, from_xyxy_px
from vision.messages.advice import NotFiniteOutputs
from vision.ssd.model import Detector
from vision.ssd.postprocess import are_finite, detect

SCORE_THRESHOLD = 0.01
"""Low, since AP looks at the whole curve of precision over recall."""

Observer = Callable[[Tensor, Tensor, Batch], None]
"""Sees logits (N, P, C), offsets (N, P, 4) and the batch on the device: a validation loss in the same pass."""

Taker = Callable[[np.ndarray, Results], None]
"""Is given the ids (N,) of the images of a batch and what was found in them."""


def predict(
    detector: Detector,
    loader: Iterable[Batch],
    device: torch.device | str,
    original_category_ids: Sequence[int],
    *,
    score_threshold: float = SCORE_THRESHOLD,
    amp_dtype: torch.dtype | None = None,
    observe: Observer | None = None,
    take: Taker | None = None,
    advance: Callable[[int], None] | None = None,
) -> Results:
    """Detections of every image that ``loader`` gives; of one shard where the loader gives a shard.

    :param original_category_ids: by label, ``[0, …]`` as the data set has it
    :param amp_dtype: autocast to it; None computes in float32
    :param observe: called for each batch, and then it is who judges outputs that are not finite
    :param take: called behind each batch with what was found: ``Scoring.take``
    :param advance: called with the number of images of each batch once it is done, for a progress line

    The detector is in evaluation mode meanwhile and in its former mode afterwards. Post-processing is float32.
    Raises NotFiniteOutputs where nobody observes.
    """
    device = torch.device(device)
    categories = np.asarray(original_category_ids, np.int64)
    parts = []
    with evaluation_mode(detector), torch.inference_mode():
        for batch in loader:
            on_device = batch.to(device, non_blocking=True)
            logits, offsets = forward(detector, on_device, amp_dtype)
            if observe is None:
                if not are_finite(logits, offsets):
                    raise NotFiniteOutputs(f"images {batch.image_ids.tolist()[:4]}")
            else:
                observe(logits, offsets, on_device)
            found = detect(logits, offsets, detector, score_threshold=score_threshold)
            parts.append(_to_results(found, batch, categories))
            if take is not None:
                take(batch.image_ids.cpu().numpy(), parts[-1])
            if advance is not None:
                advance(len(batch))
    return Results.concatenate(parts)


def forward(detector: Detector, batch: Batch, amp_dtype: torch.dtype | None) -> tuple[Tensor, Tensor]:
    """Normalised on the device, channels last; (N, P, C) and (N, P, 4)."""
    images = detector.input_spec.normalise(batch.images).contiguous(memory_format=torch.channels_last)
    enabled = amp_dtype is not None
    with torch.autocast(images.device.type, dtype=amp_dtype or torch.bfloat16, enabled=enabled):
        logits, offsets = detector(images)
    return logits.float(), offsets.float()


def _to_results(found: list[Detections], batch: Batch, categories: np.ndarray) -> Results:
    """One transfer of the whole batch to the host: (D, 6) float64 of x1, y1, x2, y2 (fractions), score, label."""
    if not found:
        return Results.empty()
    counts = [len(one) for one in found]
    columns = (
        torch.cat([one.boxes_xyxy for one in found]),
        torch.cat([one.scores for one in found])[:, None],
        torch.cat([one.labels for one in found])[:, None],
    )
    rows = torch.cat([column.double() for column in columns], 1).cpu().numpy()
    height_width = np.repeat(batch.original_hw.cpu().numpy(), counts, axis=0)  # (D, 2)
    return from_xyxy_px(
        np.repeat(batch.image_ids.cpu().numpy(), counts),
        categories[rows[:, 5].astype(np.int64)],
        rows[:, :4] * height_width[:, [1, 0, 1, 0]],
        rows[:, 4],
    )


@contextlib.contextmanager
def evaluation_mode(detector: Detector) -> Iterator[None]:
    """The detector evaluates meanwhile, and each of its modules is in its former mode afterwards, whatever happens."""
    training = [module for module in detector.modules() if module.training]
    detector.eval()
    try:
        yield
    finally:
        for module in training:  # not all of them: frozen batch statistics stand still in training, too
            module.training = True
