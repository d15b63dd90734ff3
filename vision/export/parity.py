"""The same pictures through torch and through onnxruntime: what is shipped is what was trained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vision.export.contract import BOXES, FP16_LARGEST, INPUT, SCORES
from vision.export.graph import DetectNetGraph
from vision.ssd.model import Detector

TOLERANCE = 1e-4
"""Largest difference of a score (probability) or of a box's corner (fraction of the picture)."""

PROBABILITY_TOLERANCE = 1e-3
"""Of the sum of a prior's scores: 81 of them, rounded to float32, are off by less than 1e-5."""


class ParityBroken(ValueError):
    """torch and onnxruntime do not agree."""


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Largest absolute differences over ``images`` pictures, and the largest absolute value that any layer gave."""

    images: int
    scores: float
    boxes: float
    tolerance: float
    largest_activation: float
    runtime: str

    @property
    def holds(self) -> bool:
        return self.scores <= self.tolerance and self.boxes <= self.tolerance

    @property
    def fits_fp16(self) -> bool:
        return self.largest_activation <= FP16_LARGEST


def compare(onnx_path: Path, detector: Detector, images: Iterable[np.ndarray]) -> ParityReport:
    """Pictures (1, 3, H, W) float32, normalised, through both.

    Raises:
        ParityBroken: a difference above 1e-4, a value that is not finite, scores that are no probabilities, boxes
            that are no corners, an activation beyond FP16, or no picture to compare on.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(onnx_path), options, providers=["CPUExecutionProvider"])
    graph = DetectNetGraph(detector.cpu()).eval()
    count, scores_gap, boxes_gap, largest = 0, 0.0, 0.0, 0.0
    for image in images:
        expected = [tensor.numpy() for tensor in _through_torch(graph, image)]
        found = session.run([SCORES, BOXES], {INPUT: image})
        if not all(np.isfinite(array).all() for array in (*expected, *found)):
            raise ParityBroken(f"picture {count}: an output is not finite")
        _require_meaning(found[0], found[1], count)
        scores_gap = max(scores_gap, _gap(expected[0], found[0]))
        boxes_gap = max(boxes_gap, _gap(expected[1], found[1]))
        largest = max(largest, _largest_activation(graph, image))
        count += 1
    if not count:
        raise ParityBroken("there is no picture to compare on")
    report = ParityReport(
        count, scores_gap, boxes_gap, TOLERANCE, largest, f"onnxruntime {onnxruntime.__version__}"
    )
    if not report.holds:
        raise ParityBroken(
            f"{onnx_path}: differs from torch by {scores_gap:.2e} in scores and {boxes_gap:.2e} in boxes, "
            f"at most {TOLERANCE:g} is allowed; nothing was published"
        )
    if not report.fits_fp16:
        raise ParityBroken(
            f"an activation of {largest:.4g} does not fit FP16 (largest {FP16_LARGEST:g}), which every Jetson uses: it "
            "would become infinite there; nothing was published. Train on with --weight-decay or a lower --lr"
        )
    return report


def _require_meaning(scores: np.ndarray, boxes: np.ndarray, picture: int) -> None:
    """Scores (1, P, C) and boxes (1, P, 4) as detectNet reads them: a softmax, and corners in order."""
    off = float(np.abs(scores.astype(np.float64).sum(axis=2) - 1).max())
    if off > PROBABILITY_TOLERANCE or scores.min() < 0:
        raise ParityBroken(
            f"picture {picture}: scores of a prior sum to 1 ± {off:.2g}; softmax must be inside the graph"
        )
    if not (boxes[..., 2:] >= boxes[..., :2]).all():
        raise ParityBroken(
            f"picture {picture}: boxes are not x1, y1, x2, y2; decoding must be inside the graph"
        )


@torch.inference_mode()
def _through_torch(graph: DetectNetGraph, image: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    scores, boxes = graph(torch.from_numpy(image))
    return scores, boxes


@torch.inference_mode()
def _largest_activation(graph: DetectNetGraph, image: np.ndarray) -> float:
    """Largest absolute value that any layer gives: above 65,504 it would overflow FP16."""
    seen = [0.0]

    def look(_module: torch.nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, torch.Tensor):
            seen.append(float(output.abs().max()))

    hooks = [module.register_forward_hook(look) for module in graph.modules() if not list(module.children())]
    try:
        graph(torch.from_numpy(image))
    finally:
        for hook in hooks:
            hook.remove()
    return max(seen)


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    if a.shape != b.shape:
        raise ParityBroken(f"shapes {a.shape} and {b.shape}")
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())
