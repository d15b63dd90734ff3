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


class ParityBroken(ValueError):
    """torch and onnxruntime do not agree."""


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Largest absolute differences over ``images`` pictures; ``largest_activation`` of the network's outputs."""

    images: int
    scores: float
    boxes: float
    tolerance: float
    largest_activation: float
    runtime: str

    @property
    def holds(self) -> bool:
        return self.scores <= self.tolerance and self.boxes <= self.tolerance


def compare(onnx_path: Path, detector: Detector, images: Iterable[np.ndarray]) -> ParityReport:
    """Pictures (1, 3, H, W) float32, normalised, through both.

    Raises:
        ParityBroken: a difference above 1e-4, a value that is not finite, or no picture to compare.
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
    return report


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


def fits_fp16(report: ParityReport) -> bool:
    return report.largest_activation <= FP16_LARGEST


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    if a.shape != b.shape:
        raise ParityBroken(f"shapes {a.shape} and {b.shape}")
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())
