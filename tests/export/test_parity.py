"""The comparison with onnxruntime, on files that are wrong in ways a contract can not see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from tests.export.made import make_opened
from vision.engine.opening import Opened
from vision.export import parity
from vision.export.contract import check
from vision.export.onnx import as_onnx
from vision.export.parity import ParityBroken, compare


@pytest.fixture(scope="module")
def exported(opened: Opened, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "net.onnx"
    path.write_bytes(as_onnx(opened.detector, 13))
    return path


def test_what_is_reported(exported: Path, opened: Opened, images: list[np.ndarray]) -> None:
    """The gaps, computed here once more: float64 differences of what the two runtimes give."""
    import onnxruntime

    report = compare(exported, opened.detector, images)
    session = onnxruntime.InferenceSession(str(exported))
    gaps = []
    for image in images:
        scores, boxes = session.run(["scores", "boxes"], {"input_0": image})
        with torch.no_grad():
            logits, offsets = opened.detector(torch.from_numpy(image))
        expected = opened.detector.coder.decode(offsets, opened.detector.priors_cxcywh).double().numpy()
        gaps.append(
            [np.abs(torch.softmax(logits, 2).double().numpy() - scores).max(), np.abs(expected - boxes).max()]
        )
    assert (report.images, report.holds, report.tolerance) == (2, True, 1e-4)
    np.testing.assert_allclose([report.scores, report.boxes], np.max(gaps, axis=0), rtol=1e-3, atol=1e-9)
    assert report.scores > 0 or report.boxes > 0  # two implementations: some last digit differs


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
    "scores a little off": (_after("scores", "Add", by=2e-4), "differs from torch by 2.0.e-04 in scores"),
    "boxes a little off": (_after("boxes", "Add", by=1.5e-4), "1.5.e-04 in boxes"),
    "corners in another order": (_after("boxes", "Gather", swap=True), "boxes are not x1, y1, x2, y2"),
    "no softmax": (_logits_as_scores, "softmax must be inside the graph"),
    "softmax over priors": (_axes_swapped, "softmax must be inside the graph"),
    "not finite": (_after("boxes", "Div", by=0.0), "an output is not finite"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_network_is_refused(
    exported: Path, opened: Opened, images: list[np.ndarray], tmp_path: Path, case: str
) -> None:
    change, message = WRONG[case]
    with pytest.raises(ParityBroken, match=message):
        compare(_reworked(exported, tmp_path / "net.onnx", change), opened.detector, images)


def test_half_of_the_tolerance_passes(
    exported: Path, opened: Opened, images: list[np.ndarray], tmp_path: Path
) -> None:
    path = _reworked(exported, tmp_path / "net.onnx", _after("boxes", "Add", by=5e-5))
    assert compare(path, opened.detector, images).boxes == pytest.approx(5e-5, rel=0.05)


def test_every_picture_counts(exported: Path, opened: Opened, images: list[np.ndarray]) -> None:
    """A network that is right on the first picture alone."""
    broken = SimpleNamespace(seen=0)
    through_torch = parity._through_torch

    def once_right(graph: Any, image: np.ndarray) -> Any:
        broken.seen += 1
        scores, boxes = through_torch(graph, image)
        return scores, boxes + (0.01 if broken.seen == 2 else 0.0)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(ParityBroken, match="in boxes"):
        patch.setattr(parity, "_through_torch", once_right)
        compare(exported, opened.detector, images)


def test_nothing_to_compare_on(exported: Path, opened: Opened) -> None:
    with pytest.raises(ParityBroken, match="no picture"):
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


def test_activations_beyond_half_precision_are_refused(images: list[np.ndarray], tmp_path: Path) -> None:
    opened = make_opened(tmp_path)  # its own, since it is changed
    opened.detector.base_net = _Loud(opened.detector.base_net, 65_536.0)
    path = tmp_path / "net.onnx"
    path.write_bytes(as_onnx(opened.detector, 13))
    loud = [image * 0 + 1 for image in images]
    with pytest.raises(ParityBroken, match=r"activation of 6\.554e\+04 does not fit FP16"):
        compare(path, opened.detector, loud)
    report = compare(path, opened.detector, [image * 0.5 for image in loud])
    assert report.largest_activation == pytest.approx(32_768)
