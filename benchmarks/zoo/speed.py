"""Milliseconds of one image at the net's own resolution, part by part, by torch as it is and by onnxruntime.

Of processor time, which other programs on the machine do not add to; with one thread that is the time that passes.

Post-processing gets its full number of candidates: without a threshold of scores, as first weights give none above it. A trained
net has fewer at the threshold of evaluation (0.01), so what is here is the most that it costs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from vision.core.sample import InputSpec
from vision.export.contract import BOXES, INPUT, SCORES
from vision.export.onnx import DEFAULT_OPSET, as_onnx
from vision.ssd.build import build_detector
from vision.ssd.cost import COCO_CLASSES
from vision.ssd.postprocess import SCORE_FUNCTIONS, best
from vision.ssd.variants import VARIANTS


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """Median of ``rounds``, the first of all not counted."""
    spent = []
    for _ in range(rounds + 1):
        began = time.process_time()
        work()
        spent.append(1000 * (time.process_time() - began))
    return statistics.median(spent[1:])


@torch.inference_mode()
def speed(name: str, rounds: int, threads: int) -> dict[str, Any]:
    """``net``, ``decode`` (scores and boxes), ``nms``, ``all``; ``ort_net`` (with decoding inside), ``ort_all``: ms."""
    import onnxruntime

    row = VARIANTS[name]
    width, height = row.resolution
    torch.manual_seed(0)
    detector = build_detector(row, COCO_CLASSES, InputSpec(height, width)).eval()
    priors, limits, spec = detector.priors_cxcywh, row.postprocess, detector.input_spec
    image = torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8)
    pixels = spec.normalise(image)
    laid_out = pixels.contiguous(memory_format=torch.channels_last)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    session = onnxruntime.InferenceSession(
        as_onnx(detector, DEFAULT_OPSET), options, providers=["CPUExecutionProvider"]
    )
    detector.to(memory_format=torch.channels_last)

    def decode(logits: torch.Tensor, offsets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return SCORE_FUNCTIONS[row.score_function](logits), detector.coder.decode(offsets, priors)

    def suppress(scores: torch.Tensor, boxes: torch.Tensor) -> object:
        return best(scores, boxes, -1.0, limits.iou_threshold, limits.candidates, limits.limit)

    def through_torch() -> object:
        given = spec.normalise(image).contiguous(memory_format=torch.channels_last)
        return suppress(*decode(*detector(given)))

    def run(given: np.ndarray) -> list[np.ndarray]:
        return list(session.run([SCORES, BOXES], {INPUT: given}))

    def through_onnxruntime() -> object:
        return suppress(*map(torch.from_numpy, run(spec.normalise(image).numpy())))

    raw = detector(laid_out)
    ready, array = decode(*raw), pixels.numpy()
    ways: dict[str, Callable[[], object]] = {
        "net": lambda: detector(laid_out), "decode": lambda: decode(*raw), "nms": lambda: suppress(*ready),
        "all": through_torch, "ort_net": lambda: run(array), "ort_all": through_onnxruntime,
    }  # fmt: skip
    return {
        "priors": len(priors),
        "size": [width, height],
        **{way: milliseconds(ways[way], rounds) for way in ways},
    }
