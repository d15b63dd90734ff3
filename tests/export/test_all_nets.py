"""Every row of the table exports: detectNet's contract, TensorRT's parsers and parity, at opsets 11 and 13."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from tests.export.made import CLASSES, HW, make_opened
from tests.ssd.all_nets import narrow, of_all_nets
from vision.export.onnx import export
from vision.ssd.model import Detector
from vision.ssd.variants import VARIANTS


@of_all_nets
def test_a_net_exports_at_both_opsets(name: str, images: list[np.ndarray], tmp_path: Path) -> None:
    row = VARIANTS[name]
    opened = make_opened(tmp_path, row=row, width_mult=narrow(row))
    settle(opened.detector)
    for opset in (11, 13):
        report = export(opened, tmp_path / f"{opset}.onnx", images, opset)
        priors = len(opened.detector.priors_cxcywh)
        assert report.graph.input_shape == (1, 3, *HW) and report.graph.opset == opset
        assert report.graph.scores_shape == (1, priors, len(CLASSES))
        assert report.graph.boxes_shape == (1, priors, 4)
        assert report.parity.scores.share <= 1 and report.parity.boxes.share <= 1


def settle(detector: Detector) -> None:
    """Batch statistics of noise, as training leaves them: without, activations of deep nets leave what float16 holds."""
    for norm in (module for module in detector.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.momentum = None  # the mean of all batches
        norm.reset_running_stats()
    draw = torch.Generator().manual_seed(2)
    detector.train()
    with torch.no_grad():
        for _ in range(3):
            detector(torch.rand(4, 3, *HW, generator=draw) * 2 - 1)
    detector.eval()
