"""Milliseconds an image on this machine's CPU, by the net alone: no decoding, no suppression of boxes."""

from __future__ import annotations

import statistics
import time

import torch

from vision.core.sample import InputSpec
from vision.ssd.build import build_detector
from vision.ssd.variants import Variant

LEAST_RUNS, MOST_RUNS, SECONDS = 3, 30, 1.0


def cpu_ms(variant: Variant, num_classes: int, spec: InputSpec, width_mult: float) -> float:
    """The median of 3 to 30 runs within a second or more, batch 1, float32, eager torch with its own number of threads."""
    detector = build_detector(variant, num_classes, spec, width_mult).eval()
    images = torch.zeros(1, spec.channels, spec.height, spec.width)
    taken: list[float] = []
    with torch.inference_mode():
        detector(images)
        while len(taken) < LEAST_RUNS or (sum(taken) < SECONDS and len(taken) < MOST_RUNS):
            begun = time.perf_counter()
            detector(images)
            taken.append(time.perf_counter() - begun)
    return 1000 * statistics.median(taken)
