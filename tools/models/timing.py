"""Milliseconds an image on this machine's CPU, by the net alone: no decoding, no suppression of boxes."""

from __future__ import annotations

import statistics
import time

import torch

from vision.core.sample import InputSpec
from vision.ssd.build import build_detector
from vision.ssd.model import Detector
from vision.ssd.variants import Variant

LEAST_RUNS, MOST_RUNS, SECONDS = 3, 30, 1.0


def cpu_ms(variant: Variant, num_classes: int, spec: InputSpec, width_mult: float) -> float:
    """``median_ms`` of a new detector."""
    return median_ms(build_detector(variant, num_classes, spec, width_mult).eval())


def median_ms(detector: Detector, seconds: float = SECONDS) -> float:
    """The median of 3 to 30 runs within ``seconds`` or more, batch 1, float32, eager torch with its own number of threads."""
    spec = detector.input_spec
    images = torch.zeros(1, spec.channels, spec.height, spec.width)
    taken: list[float] = []
    with torch.inference_mode():
        detector(images)
        while len(taken) < LEAST_RUNS or (sum(taken) < seconds and len(taken) < MOST_RUNS):
            begun = time.perf_counter()
            detector(images)
            taken.append(time.perf_counter() - begun)
    return 1000 * statistics.median(taken)
