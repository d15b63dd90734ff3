"""The comparison with onnxruntime, on files that are wrong in ways a contract can not see."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from tests.export.made import make_opened
from vision.engine.opening import Opened
from vision.export.contract import check
from vision.export.onnx import as_onnx
from vision.export.parity import ParityBroken, compare


@pytest.fixture(scope="module")
def exported(opened: Opened, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "net.onnx"
    path.write_bytes(as_onnx(opened.detector, 13))
    return path


def test_what_is_reported(exported: Path, opened: Opened, images: list[np.ndarray]) -> None:
    """The gaps, computed here once more: how far onnxruntime and torch are from the same net in float64."""
    import onnxruntime

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
    "scores a little off": (_after("scores", "Add", by=1e-5), r"is 1\.0.e-05 away from float64 in scores; rounding explains"),
    "boxes a little off": (_after("boxes", "Add", by=5e-6), r"(5\.|4\.[5-9]).e-06 away from float64 in boxes; rounding explains"),
    "corners in another order": (_after("boxes", "Gather", swap=True), "image 0: boxes are not x1, y1, x2, y2"),
    "no softmax": (_logits_as_scores, "softmax must be inside the graph"),
    "softmax over priors": (_axes_swapped, "softmax must be inside the graph"),
    "not finite": (_after("boxes", "Div", by=0.0), "image 0: an output is not finite"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_network_is_refused(
    exported: Path, opened: Opened, images: list[np.ndarray], tmp_path: Path, case: str
) -> None:
    change, message = WRONG[case]
    with pytest.raises(ParityBroken, match=message):
        compare(_reworked(exported, tmp_path / "net.onnx", change), opened.detector, images)


def test_nothing_to_compare_on(exported: Path, opened: Opened) -> None:
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
    opened = make_opened(tmp_path)  # its own, since it is changed
    opened.detector.base_net = _Loud(opened.detector.base_net, 65_536.0)
    path = tmp_path / "net.onnx"
    path.write_bytes(as_onnx(opened.detector, 13))
    looked_at = [images[0] * 0 + 0.5, images[0] * 0 + 0.25]
    report = compare(path, opened.detector, looked_at)
    assert (report.largest_activation, report.loudest_image) == (pytest.approx(32_768), 0)
    looked_at.insert(position, images[0] * 0 + 1)
    with pytest.raises(
        ParityBroken, match=rf"image {position}: an activation of 6\.554e\+04 does not fit FP16"
    ):
        compare(path, opened.detector, looked_at)
