"""Rounding and faults told apart: nets with large logits pass, small faults do not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from tests.export.made import HW, make_opened
from vision.export.onnx import as_onnx
from vision.export.parity import ParityBroken, ParityReport, compare
from vision.ssd.model import Detector


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.uniform(-1, 1, (1, 3, *HW)).astype(np.float32) for _ in range(3)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """With the batch statistics of a net that has seen something, so that every layer's activations differ."""
    detector = make_opened(tmp_path_factory.mktemp("trained")).detector
    draw = torch.Generator().manual_seed(0)
    for norm in (module for module in detector.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.running_mean.copy_(torch.randn(norm.num_features, generator=draw) * 0.1)
        norm.running_var.copy_(torch.rand(norm.num_features, generator=draw) * 0.5 + 0.3)
        norm.weight.data.copy_(torch.rand(norm.num_features, generator=draw) * 0.6 + 0.7)
        norm.bias.data.copy_(torch.randn(norm.num_features, generator=draw) * 0.2)
    return detector


def _last(header: nn.Module) -> nn.Conv2d:
    return header[-1] if isinstance(header, nn.Sequential) else header  # type: ignore[return-value]


def _louder(detector: Detector, factor: float) -> Detector:
    """Logits ``factor`` times as large."""
    louder = copy.deepcopy(detector)
    for header in louder.classification_headers:
        _last(header).weight.data.mul_(factor)
    return louder


def _judged(folder: Path, shipped: Detector, detector: Detector, images: list[np.ndarray]) -> ParityReport:
    path = folder / "net.onnx"
    path.write_bytes(as_onnx(copy.deepcopy(shipped), 13))
    return compare(path, detector, images)


@pytest.mark.parametrize("factor", [1, 100, 4000])
def test_rounding_passes_however_large_the_logits_are(
    trained: Detector, images: list[np.ndarray], tmp_path: Path, factor: float
) -> None:
    detector = _louder(trained, factor)
    report = _judged(tmp_path, detector, detector, images)
    assert report.scores.share < 0.5 and report.boxes.share < 0.8
    with torch.no_grad():
        assert float(detector(torch.from_numpy(images[0]))[0].abs().max()) > factor


def test_one_bound_for_all_nets_would_refuse_a_right_one(
    trained: Detector, images: list[np.ndarray], tmp_path: Path
) -> None:
    """Two runtimes that both round are further apart than 1e-4 here, and nothing is wrong."""
    detector = _louder(trained, 4000)
    assert _judged(tmp_path, detector, detector, images)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    gaps = []
    for image in images:
        with torch.no_grad():
            scores = torch.softmax(detector(torch.from_numpy(image))[0], 2).numpy()
        gaps.append(np.abs(session.run(["scores"], {"input_0": image})[0] - scores).max())
    assert max(gaps) > 1e-4


def _other_epsilon(detector: Detector) -> None:
    norms = [module for module in detector.modules() if isinstance(module, nn.BatchNorm2d)]
    norms[20].eps = 1e-4


def _one_weight(detector: Detector) -> None:
    """The largest of a head's 1×1, a thousandth larger."""
    weight = _last(detector.classification_headers[0]).weight.data
    weight.view(-1)[weight.abs().argmax()] *= 1.001


def _one_row(detector: Detector) -> None:
    _last(detector.classification_headers[0]).weight.data[1] *= 1.001


def _one_prior(detector: Detector) -> None:
    detector.priors_cxcywh[5, 0] += 1e-5


def _half_precision(detector: Detector) -> None:
    layer = detector.base_net[14].conv[0]
    layer.weight.data = layer.weight.data.half().float()


def _open_end(detector: Detector) -> None:
    """ReLU in the place of ReLU6 in the heads of classes, where something is above 6."""
    for header in detector.classification_headers:
        if isinstance(header, nn.Sequential):
            header[1].weight.data.mul_(4)  # in both nets: see the test
            header[2] = nn.ReLU()


FAULTS = [_other_epsilon, _one_weight, _one_row, _one_prior, _half_precision]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__.strip("_"))
def test_a_small_fault_is_refused(
    trained: Detector, images: list[np.ndarray], tmp_path: Path, fault: Callable[[Detector], None]
) -> None:
    broken = copy.deepcopy(trained)
    fault(broken)
    with pytest.raises(
        ParityBroken,
        match=r"image \d, the worst, is .* away from float64 in (scores|boxes); rounding explains",
    ):
        _judged(tmp_path, broken, trained, images)


@pytest.mark.parametrize("factor", [1, 1000])
def test_an_activation_without_its_upper_end_is_refused(
    trained: Detector, images: list[np.ndarray], tmp_path: Path, factor: float
) -> None:
    detector = _louder(trained, factor)
    broken = copy.deepcopy(detector)
    _open_end(broken)
    for header in detector.classification_headers:
        if isinstance(header, nn.Sequential):
            header[1].weight.data.mul_(4)
    with pytest.raises(ParityBroken, match="in scores; rounding explains"):
        _judged(tmp_path, broken, detector, images)


def test_a_fault_shows_among_large_logits_too(
    trained: Detector, images: list[np.ndarray], tmp_path: Path
) -> None:
    """The same epsilon a hundred times wrong, in a net whose rounding alone is beyond 1e-5."""
    detector = _louder(trained, 1000)
    broken = copy.deepcopy(detector)
    norms: list[Any] = [module for module in broken.modules() if isinstance(module, nn.BatchNorm2d)]
    norms[20].eps = 1e-3
    with pytest.raises(ParityBroken, match="in scores; rounding explains"):
        _judged(tmp_path, broken, detector, images)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_fault_that_one_image_shows_is_refused_by_its_number(
    trained: Detector, images: list[np.ndarray], tmp_path: Path, position: int
) -> None:
    """An open end that only a loud image reaches, wherever it stands."""
    broken = copy.deepcopy(trained)
    broken.base_net[0][2] = nn.ReLU()
    looked_at = [image * np.float32(0.01) for image in images[:2]]
    assert _judged(tmp_path, broken, trained, looked_at)  # nothing is above 6 there
    looked_at.insert(position, images[2] * np.float32(30))
    with pytest.raises(ParityBroken, match=f"image {position}, the worst"):
        compare(tmp_path / "net.onnx", trained, looked_at)


def test_a_net_that_float32_cannot_compute_is_refused(
    trained: Detector, images: list[np.ndarray], tmp_path: Path
) -> None:
    """Logits so large that what would have to be allowed hides any fault."""
    detector = _louder(trained, 1e5)
    with pytest.raises(
        ParityBroken, match=r"torch in float32 is .* away from float64 in scores, and as much would"
    ):
        _judged(tmp_path, detector, detector, images)
