"""The exported module against float64 arithmetic and torchvision's coder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torchvision.models.detection._utils import BoxCoder as TorchvisionCoder

from tests.export.made import CLASSES, HW, make_opened
from vision.core.boxes import cxcywh_to_xyxy
from vision.engine.checkpoints.open_detector import LoadedDetector
from vision.export.detectnet import cluster_detections
from vision.export.graph import DetectNetGraph
from vision.export.onnx import as_onnx, export
from vision.export.parity import ParityBroken, compare
from vision.ssd.variants import find


def test_scores_are_a_softmax_and_boxes_are_torchvisions(
    opened: LoadedDetector, images: list[np.ndarray]
) -> None:
    image = torch.from_numpy(images[0])
    with torch.no_grad():
        logits, offsets = opened.detector(image)
        scores, boxes = DetectNetGraph(opened.detector)(image)
    raised = np.exp(logits[0].double().numpy())
    np.testing.assert_allclose(scores[0].numpy(), raised / raised.sum(axis=1, keepdims=True), atol=1e-6)
    priors = cxcywh_to_xyxy(opened.detector.priors_cxcywh).double()
    theirs = TorchvisionCoder((10.0, 10.0, 5.0, 5.0)).decode_single(offsets[0].double(), priors)
    np.testing.assert_allclose(boxes[0].numpy(), theirs.numpy(), atol=1e-5)
    assert scores.shape == (1, len(priors), len(CLASSES)) and boxes.shape == (1, len(priors), 4)
    assert float(scores.std()) > 0.01  # not all alike, so that an order of priors or classes would show


def test_boxes_are_left_to_detectnet_to_clamp(opened: LoadedDetector) -> None:
    with torch.no_grad():
        _, boxes = DetectNetGraph(opened.detector)(torch.zeros(1, 3, 64, 96))
    assert float(boxes.min()) < 0 and float(boxes.max()) > 1


@pytest.fixture(scope="module")
def by_sigmoids(tmp_path_factory: pytest.TempPathFactory) -> LoadedDetector:
    row = replace(find("mb2-ssd-lite"), score_function="sigmoid", loss="sigmoid-focal", initial_objects=0.3)
    return make_opened(tmp_path_factory.mktemp("sigmoid"), row=row)


@pytest.mark.parametrize("opset", [11, 13])
def test_sigmoids_have_a_column_for_background_and_detectnets_argmax_is_right(
    by_sigmoids: LoadedDetector, images: list[np.ndarray], tmp_path: Path, opset: int
) -> None:
    """Through every proof of an export, onnxruntime and what detectNet does: label l is what logit l − 1 is of."""
    export(by_sigmoids, tmp_path / "net.onnx", images, opset)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    scores, boxes = (array[0] for array in session.run(["scores", "boxes"], {"input_0": images[0]}))
    with torch.no_grad():
        logits, _ = by_sigmoids.detector(torch.from_numpy(images[0]))
    assert logits.shape[2] == len(CLASSES) - 1
    expected = 1 / (1 + np.exp(-logits[0].double().numpy()))
    np.testing.assert_allclose(scores[:, 1:], expected, atol=1e-6)
    np.testing.assert_allclose(scores[:, 0], 1 - expected.max(axis=1), atol=1e-6)
    threshold = float(np.quantile(expected.max(axis=1), 0.9))
    _, best, labels = cluster_detections(scores, boxes, HW, threshold)
    assert set(labels.tolist()) == {1, 2}
    for score, label in zip(best, labels, strict=True):
        prior, column = np.unravel_index(np.abs(expected - score).argmin(), expected.shape)
        assert label == column + 1 and expected[prior].argmax() == column


def test_sigmoids_that_are_left_to_the_host_are_refused(
    by_sigmoids: LoadedDetector, images: list[np.ndarray], tmp_path: Path
) -> None:
    model = onnx.load_from_string(as_onnx(by_sigmoids.detector, 13))
    (sigmoid,) = [node for node in model.graph.node if node.op_type == "Sigmoid"]
    sigmoid.op_type = "Identity"
    onnx.save(model, str(tmp_path / "net.onnx"))
    with pytest.raises(ParityBroken, match="sigmoid must be inside the graph"):
        compare(tmp_path / "net.onnx", by_sigmoids.detector, images)


@pytest.mark.parametrize(("name", "opset"), [("ssd-fpn-mobilenet-v2", 11), ("ssd-bifpn-mobilenet-v2", 13)])
def test_pyramids_keep_every_clause_with_sides_that_are_not_doubled(
    images: list[np.ndarray], tmp_path: Path, name: str, opset: int
) -> None:
    """64 × 96 px give maps of 8 × 12, 4 × 6, 2 × 3, 1 × 2 and 1 × 1 cells."""
    opened = make_opened(tmp_path, row=find(name))
    report = export(opened, tmp_path / "out" / "net.onnx", images[:1], opset)
    assert report.graph.scores_shape == (1, 6 * (96 + 24 + 6 + 2 + 1), len(CLASSES))
    graph = onnx.load(str(tmp_path / "out" / "net.onnx")).graph
    assert {"Slice", "Resize"} <= {node.op_type for node in graph.node}
