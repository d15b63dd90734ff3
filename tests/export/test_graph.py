"""The exported module against float64 arithmetic and torchvision's coder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.models.detection._utils import BoxCoder as TorchvisionCoder

from tests.export.made import CLASSES
from vision.core.boxes import cxcywh_to_xyxy
from vision.engine.checkpoints.open_detector import LoadedDetector
from vision.export.graph import DetectNetGraph


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


def test_other_scores_than_softmax_are_refused(
    opened: LoadedDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = replace(opened.detector.variant, name="yolo", score_function="sigmoid")
    monkeypatch.setattr(opened.detector, "variant", row)
    with pytest.raises(ValueError, match="yolo scores by sigmoid"):
        DetectNetGraph(opened.detector)
