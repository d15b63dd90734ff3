"""Every row of the table exports: detectNet's contract, TensorRT's parsers and parity, at opsets 11 and 13."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from tests.export.made import CLASSES, HW, make_opened
from tests.ssd.all_nets import NARROW, of_all_nets
from vision.export.onnx import export
from vision.ssd.model import Detector
from vision.ssd.variants import VARIANTS


@of_all_nets
def test_a_net_exports_at_both_opsets(name: str, tmp_path: Path) -> None:
    row, images = VARIANTS[name], [coarse(1, seed).numpy() for seed in (0, 1)]
    opened = make_opened(tmp_path, row=row, width_mult=NARROW)
    settle(opened.detector)
    for opset in (11, 13):
        report = export(opened, tmp_path / f"{opset}.onnx", images, opset)
        priors = len(opened.detector.priors_cxcywh)
        assert report.graph.input_shape == (1, 3, *HW) and report.graph.opset == opset
        assert report.graph.scores_shape == (1, priors, len(CLASSES))
        assert report.graph.boxes_shape == (1, priors, 4)
        assert report.parity.scores.share <= 1 and report.parity.boxes.share <= 1


def coarse(count: int, seed: int) -> Tensor:
    """Images of 4 × 4 areas of one colour each: unlike those of noise, they still differ in a map of one cell."""
    draw = torch.Generator().manual_seed(seed)
    return interpolate(torch.rand(count, 3, 4, 4, generator=draw), HW) * 2 - 1


def settle(detector: Detector) -> None:
    """Batch statistics of 32 images that differ, as training leaves them. Without, activations of deep nets leave what
    float16 holds; with images alike, a variance is next to nothing, and dividing by it makes rounding large."""
    for norm in (module for module in detector.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.momentum = None  # the mean of all batches: here of one
        norm.reset_running_stats()
    detector.train()
    with torch.no_grad():
        detector(coarse(32, seed=2))
    detector.eval()
