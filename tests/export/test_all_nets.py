"""Every row of the table exports: detectNet's contract, TensorRT's parsers and parity, at opsets 11 and 13.

In the default run each of the few rows at one of the two, turn about: a conversion takes a second. Both of all: ``-m slow``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from tests.export.made import CLASSES, HW, make_opened
from tests.ssd.all_nets import NARROW, few
from vision.export.onnx import export
from vision.ssd.model import Detector
from vision.ssd.variants import VARIANTS

OPSETS = (11, 13)


def cases() -> Iterator[object]:
    for name in sorted(VARIANTS):
        for opset in OPSETS:
            is_short = name in few() and opset == OPSETS[few().index(name) % 2]
            yield pytest.param(name, opset, marks=[] if is_short else [pytest.mark.slow])


@pytest.mark.parametrize(("name", "opset"), cases())
def test_a_net_exports(name: str, opset: int, tmp_path: Path) -> None:
    row, images = VARIANTS[name], [coarse(1, seed=0).numpy()]
    opened = make_opened(tmp_path, row=row, width_mult=NARROW)
    settle(opened.detector)
    report = export(opened, tmp_path / "net.onnx", images, opset)
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
