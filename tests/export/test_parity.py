"""The comparison with onnxruntime, on files that are wrong in ways a contract cannot see."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from tests.export.made import HW, make_opened
from vision.engine.checkpoints.open_detector import LoadedDetector
from vision.export import onnx as converter
from vision.export import parity
from vision.export.contract import check
from vision.export.parity import ParityBroken, ParityReport, _Errors, compare
from vision.ssd.model import Detector
from vision.ssd.variants import find


@pytest.fixture(scope="module")
def exported(opened: LoadedDetector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "net.onnx"
    path.write_bytes(converter.as_onnx(opened.detector, 13))
    return path


def test_what_is_reported(exported: Path, opened: LoadedDetector, images: list[np.ndarray]) -> None:
    """The gaps, computed here once more: how far onnxruntime and torch are from the same net in float64."""
    report = compare(exported, opened.detector, images)
    session = onnxruntime.InferenceSession(str(exported))
    gaps = []
    for image in images:
        found = session.run(["scores", "boxes"], {"input_0": image})
        right = _computed(copy.deepcopy(opened.detector).double(), image.astype(np.float64))
        single = _computed(opened.detector, image)
        gaps.append(
            [
                _gap(found[0], right[0]),
                _gap(found[1], right[1]),
                _gap(single[0], right[0]),
                _gap(single[1], right[1]),
            ]
        )
    assert report.images == 2
    for position, gap in enumerate((report.scores, report.boxes)):
        of_image = gaps[gap.image]
        np.testing.assert_allclose(gap.onnxruntime, of_image[position], rtol=0.2)
        np.testing.assert_allclose(gap.torch_float32, of_image[position + 2], rtol=0.2)
        assert 0 < gap.onnxruntime <= gap.allowed < 1e-5 and gap.share == gap.onnxruntime / gap.allowed


def _computed(detector: Any, image: np.ndarray) -> list[np.ndarray]:
    with torch.no_grad():
        logits, offsets = detector(torch.from_numpy(image))
        boxes = detector.coder.decode(offsets, detector.priors_cxcywh)
    return [torch.softmax(logits, 2).numpy(), boxes.numpy()]


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(np.float64) - b).max())


def _reworked(path: Path, target: Path, change: Callable[[Any], None]) -> Path:
    model = onnx.load(str(path))
    change(model.graph)
    onnx.save(model, str(target))
    check(target, 13, 3)  # every clause of the contract still holds
    return target


def _after(output: str, kind: str, *, swap: bool = False, **weights: float) -> Callable[[Any], None]:
    """One more node between the graph and ``output``: ``kind`` with a constant, or other columns."""

    def change(graph: Any) -> None:
        for node in graph.node:
            node.output[:] = ["before" if name == output else name for name in node.output]
        number = next(iter(weights.values()), 0)
        constant = np.array([2, 3, 0, 1]) if swap else np.array(number, np.float32)
        graph.initializer.append(numpy_helper.from_array(constant, "constant"))
        attributes = {"axis": 2} if swap else {}
        graph.node.append(helper.make_node(kind, ["before", "constant"], [output], **attributes))

    return change


def _logits_as_scores(graph: Any) -> None:
    """What comes out when softmax was left to the host."""
    (softmax,) = [node for node in graph.node if node.op_type == "Softmax"]
    softmax.op_type = "Identity"
    del softmax.attribute[:]


def _axes_swapped(graph: Any) -> None:
    """Softmax over priors in place of classes."""
    (softmax,) = [node for node in graph.node if node.op_type == "Softmax"]
    del softmax.attribute[:]
    softmax.attribute.append(helper.make_attribute("axis", 1))


WRONG = {
    "scores a little off": (_after("scores", "Add", by=1e-5), r"is 1\.0.e-05 away from float64 in scores; nothing was published\n  why: rounding explains"),
    "boxes a little off": (_after("boxes", "Add", by=5e-6), r"(5\.|4\.[5-9]).e-06 away from float64 in boxes; nothing was published\n  why: rounding explains"),
    "corners in another order": (_after("boxes", "Gather", swap=True), "image 0: boxes are not x1, y1, x2, y2"),
    "no softmax": (_logits_as_scores, "softmax must be inside the graph"),
    "softmax over priors": (_axes_swapped, "softmax must be inside the graph"),
    "not finite": (_after("boxes", "Div", by=0.0), "image 0: an output is not finite"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_network_is_refused(
    exported: Path, opened: LoadedDetector, images: list[np.ndarray], tmp_path: Path, case: str
) -> None:
    change, message = WRONG[case]
    with pytest.raises(ParityBroken, match=message):
        compare(_reworked(exported, tmp_path / "net.onnx", change), opened.detector, images)


def test_nothing_to_compare_on(exported: Path, opened: LoadedDetector) -> None:
    with pytest.raises(ParityBroken, match="no image"):
        compare(exported, opened.detector, [])


class _Loud(nn.Module):
    """A layer that FP16 could not hold, undone by the next one: nothing shows at the outputs."""

    def __init__(self, inside: nn.Module, factor: float) -> None:
        super().__init__()
        self.inside, self.up, self.down = inside, nn.Conv2d(3, 3, 1, groups=3), nn.Conv2d(3, 3, 1, groups=3)
        for layer, value in ((self.up, factor), (self.down, 1 / factor)):
            nn.init.constant_(layer.weight, value)
            nn.init.zeros_(layer.bias)

    def forward(self, images: torch.Tensor) -> Any:
        return self.inside(self.down(self.up(images)))


@pytest.mark.parametrize("position", [0, 1, 2])
def test_activations_beyond_half_precision_are_refused(
    images: list[np.ndarray], tmp_path: Path, position: int
) -> None:
    """On one image alone, wherever it stands."""
    opened = make_opened(tmp_path, row=find("sq-ssd-lite"))  # its own, since it is changed
    opened.detector.base_net = _Loud(opened.detector.base_net, 65_536.0)
    path = tmp_path / "net.onnx"
    path.write_bytes(converter.as_onnx(opened.detector, 13))
    looked_at = [images[0] * 0 + 0.5, images[0] * 0 + 0.25]
    report = compare(path, opened.detector, looked_at)
    assert (report.largest_activation, report.loudest_image) == (pytest.approx(32_768), 0)
    looked_at.insert(position, images[0] * 0 + 1)
    with pytest.raises(
        ParityBroken, match=rf"image {position}: an activation of 6\.554e\+04 does not fit FP16"
    ):
        compare(path, opened.detector, looked_at)


# ---------------------------------------------------------------- rounding and faults told apart


@pytest.fixture(scope="module")
def three() -> list[np.ndarray]:
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
    path.write_bytes(converter.as_onnx(copy.deepcopy(shipped), 13))
    return compare(path, detector, images)


@pytest.mark.parametrize("factor", [1, 100, 4000])
def test_rounding_passes_however_large_the_logits_are(
    trained: Detector, three: list[np.ndarray], tmp_path: Path, factor: float
) -> None:
    detector = _louder(trained, factor)
    report = _judged(tmp_path, detector, detector, three)
    assert report.scores.share < 0.5 and report.boxes.share < 0.8
    with torch.no_grad():
        assert float(detector(torch.from_numpy(three[0]))[0].abs().max()) > factor


def test_one_bound_for_all_nets_would_refuse_a_right_one(
    trained: Detector, three: list[np.ndarray], tmp_path: Path
) -> None:
    """Two runtimes that both round are further apart than 1e-4 here, and nothing is wrong."""
    detector = _louder(trained, 4000)
    assert _judged(tmp_path, detector, detector, three)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    gaps = []
    for image in three:
        with torch.no_grad():
            scores = torch.softmax(detector(torch.from_numpy(image))[0], 2).numpy()
        gaps.append(np.abs(session.run(["scores"], {"input_0": image})[0] - scores).max())
    assert max(gaps) > 1e-4


def _other_epsilon(detector: Detector) -> None:
    norms = [module for module in detector.modules() if isinstance(module, nn.BatchNorm2d)]
    norms[10].eps = 1e-4


def _one_weight(detector: Detector) -> None:
    """The largest of a head's 1×1, a thousandth larger."""
    weight = _last(detector.classification_headers[0]).weight.data
    weight.view(-1)[weight.abs().argmax()] *= 1.001


def _one_row(detector: Detector) -> None:
    _last(detector.classification_headers[0]).weight.data[1] *= 1.001


def _one_prior(detector: Detector) -> None:
    detector.priors_cxcywh[5, 0] += 1e-5


def _half_precision(detector: Detector) -> None:
    layer = detector.base_net[5].conv[0]
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
    trained: Detector, three: list[np.ndarray], tmp_path: Path, fault: Callable[[Detector], None]
) -> None:
    broken = copy.deepcopy(trained)
    fault(broken)
    with pytest.raises(
        ParityBroken,
        match=r"image \d, the worst, is .* away from float64 in (scores|boxes); .*\n  why: rounding explains .*\n  fix: ",
    ):
        _judged(tmp_path, broken, trained, three)


@pytest.mark.parametrize("factor", [1, 1000])
def test_an_activation_without_its_upper_end_is_refused(
    trained: Detector, three: list[np.ndarray], tmp_path: Path, factor: float
) -> None:
    detector = _louder(trained, factor)
    broken = copy.deepcopy(detector)
    _open_end(broken)
    for header in detector.classification_headers:
        if isinstance(header, nn.Sequential):
            header[1].weight.data.mul_(4)
    with pytest.raises(ParityBroken, match="in scores; nothing was published\n  why: rounding explains"):
        _judged(tmp_path, broken, detector, three)


def test_a_fault_shows_among_large_logits_too(
    trained: Detector, three: list[np.ndarray], tmp_path: Path
) -> None:
    """The same epsilon a hundred times wrong, in a net whose rounding alone is beyond 1e-5."""
    detector = _louder(trained, 1000)
    broken = copy.deepcopy(detector)
    norms: list[Any] = [module for module in broken.modules() if isinstance(module, nn.BatchNorm2d)]
    norms[10].eps = 1e-3
    with pytest.raises(ParityBroken, match="in scores; nothing was published\n  why: rounding explains"):
        _judged(tmp_path, broken, detector, three)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_fault_that_one_image_shows_is_refused_by_its_number(
    trained: Detector, three: list[np.ndarray], tmp_path: Path, position: int
) -> None:
    """An open end that only a loud image reaches, wherever it stands."""
    broken = copy.deepcopy(trained)
    broken.base_net[0][2] = nn.ReLU()
    looked_at = [image * np.float32(0.01) for image in three[:2]]
    assert _judged(tmp_path, broken, trained, looked_at)  # nothing is above 6 there
    looked_at.insert(position, three[2] * np.float32(30))
    with pytest.raises(ParityBroken, match=f"image {position}, the worst"):
        compare(tmp_path / "net.onnx", trained, looked_at)


def test_a_net_that_float32_cannot_compute_is_refused(
    trained: Detector, three: list[np.ndarray], tmp_path: Path
) -> None:
    """Logits so large that what would have to be allowed hides any fault."""
    detector = _louder(trained, 1e5)
    with pytest.raises(
        ParityBroken,
        match=r"torch in float32 is .* away from float64 in scores; nothing was published\n  why: the allowed rounding would",
    ):
        _judged(tmp_path, detector, detector, three)


def test_luck_is_evened_out_by_other_images_within_bounds() -> None:
    """An image on which torch rounds less by luck is allowed what another costs, at most eight times its own."""
    gaps = parity._gaps([_Errors(0, 1e-7, 1e-7), _Errors(0, 5e-7, 5e-7), _Errors(0, 1e-5, 1e-5)])
    times = [round((gap.allowed - parity.LAST_DIGITS) / parity.TIMES_THE_ROUNDING, 12) for gap in gaps]
    assert times == [8e-7, 4e-6, 1e-5]


def test_a_loud_image_hides_no_fault_of_a_quiet_one() -> None:
    loud, quiet = _Errors(2e-3, 2e-3, 2e-3), _Errors(7e-3, 1e-6, 1e-6)
    worst = parity._worst(parity._gaps([loud, quiet]))
    assert worst.image == 1 and worst.share > 100


def test_the_other_layout_of_memory_counts(
    trained: Detector, three: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in rounds 3e-5 more where weights and image are channels_last."""
    through = parity._through_torch

    def rounded(graph: Any, image: torch.Tensor, *seen: Any) -> Any:
        outputs = through(graph, image, *seen)
        weight = next(of for of in graph.parameters() if of.dim() == 4 and min(of.shape[1:3]) > 1)
        last = all(t.is_contiguous(memory_format=torch.channels_last) for t in (weight, image))
        return dataclasses.replace(outputs, boxes=outputs.boxes + 3e-5) if last else outputs

    before = _judged(tmp_path, trained, trained, three)
    monkeypatch.setattr(parity, "_through_torch", rounded)
    after = compare(tmp_path / "net.onnx", trained, three)
    assert before.boxes.torch_float32 < 1e-5 and after.boxes.torch_float32 == pytest.approx(3e-5, rel=0.5)
    assert after.boxes.onnxruntime == before.boxes.onnxruntime
