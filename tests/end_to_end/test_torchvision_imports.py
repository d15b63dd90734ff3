"""Weights of torchvision's two detectors, imported: boxes and scores are those of torchvision's own model.

Random weights, so that nothing is fetched; heads that say something, so that the scores differ.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import detection

from tests.printed import ODD
from tools.import_weights.__main__ import main
from vision.core.boxes import cxcywh_to_xyxy
from vision.engine.checkpoints.open_detector import LoadedDetector, open_detector
from vision.nn.weights.class_names import coco_by_id
from vision.ssd.model import Detector
from vision.ssd.variants import find

NETS: dict[str, Callable[..., nn.Module]] = {
    "ssd300_vgg16": detection.ssd300_vgg16, "ssdlite320_mobilenet_v3_large": detection.ssdlite320_mobilenet_v3_large,
}  # fmt: skip
NEVER = -100.0
OF_THE_SIZE_OF_TRAINED = 0.2
"""Random heads give offsets and logits up to 18, whose exponentials float32 does not hold to 1e-5."""


@dataclass(frozen=True)
class Pair:
    """torchvision's model, the run that was imported from it, and which of its 91 rows are classes."""

    net: str
    theirs: Any
    opened: LoadedDetector
    kept: Tensor


@pytest.fixture(scope="module", params=sorted(NETS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    model, folder = published(request.param), tmp_path_factory.mktemp(ODD)
    kept = rows_of_classes(model)
    torch.save(model.state_dict(), folder / "model.pth")
    assert main([str(folder / "model.pth"), "--net", request.param, "--output", str(folder / "run")]) == 0
    return Pair(request.param, model, open_detector(folder / "run"), kept)


def published(net: str) -> Any:
    torch.manual_seed(5)
    model: Any = NETS[net](weights=None, weights_backbone=None).eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.1, 0.1)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    for name, value in model.head.named_parameters():
        if name.endswith(".bias"):
            nn.init.uniform_(value, -1.5, 1.5)
        else:
            value.data *= OF_THE_SIZE_OF_TRAINED
    return model


def drawn(detector: Detector) -> Tensor:
    """(1, 3, H, W) uint8: lines and areas of all colours."""
    spec, rng = detector.input_spec, np.random.default_rng(4)
    image = np.zeros((1, 3, spec.height, spec.width), np.uint8)
    for _ in range(40):
        y, x = rng.integers(0, spec.height, 2)
        image[0, :, y : y + rng.integers(5, 90), x : x + rng.integers(5, 90)] = rng.integers(
            0, 256, (3, 1, 1)
        )
    return torch.from_numpy(image)


@torch.no_grad()
def theirs(model: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (N, P, C) and boxes (N, P, 4) as fractions, of all priors, before anything is left out."""
    transformed, _ = model.transform([image / 255 for image in images])
    assert transformed.tensors.shape[-2:] == images.shape[-2:]
    maps = list(model.backbone(transformed.tensors).values())
    found = model.head(maps)
    anchors = model.anchor_generator(transformed, maps)
    boxes = [
        model.box_coder.decode_single(each, own)
        for each, own in zip(found["bbox_regression"], anchors, strict=True)
    ]
    sides = torch.tensor([images.shape[3], images.shape[2]] * 2)
    return found["cls_logits"].softmax(-1), torch.stack(boxes) / sides


@torch.no_grad()
def ours(detector: Detector, images: Tensor) -> tuple[Tensor, Tensor]:
    logits, offsets = detector(detector.input_spec.normalise(images))
    return logits.softmax(-1), detector.coder.decode(offsets, detector.priors_cxcywh)


@torch.no_grad()
def rows_of_classes(model: Any) -> Tensor:
    """Which logits stay of COCO's 91; the others are made to say never."""
    names = coco_by_id()
    for header in model.head.classification_head.module_list:
        last = [layer for layer in header.modules() if isinstance(layer, nn.Conv2d)][-1]
        last.bias.view(-1, len(names))[:, [number for number, name in enumerate(names) if name == "N/A"]] = (
            NEVER
        )
    return torch.tensor([number for number, name in enumerate(names) if name != "N/A"])


def assert_equal_everywhere(pair: Pair, images: Tensor) -> None:
    (their_scores, their_boxes), (scores, boxes) = (
        theirs(pair.theirs, images),
        ours(pair.opened.detector, images),
    )
    torch.testing.assert_close(boxes, their_boxes, atol=1e-5, rtol=0)
    torch.testing.assert_close(scores, their_scores[..., pair.kept], atol=1e-5, rtol=0)
    priors = cxcywh_to_xyxy(pair.opened.detector.priors_cxcywh)
    assert float(scores.std()) > 1e-3 and float((boxes - priors).std()) > 1e-2


def test_all_boxes_and_scores_are_equal(pair: Pair) -> None:
    """Of COCO's 91 rows the 80 that are classes: those of no class say never, as trained ones do."""
    opened = pair.opened
    assert opened.classes == ["BACKGROUND", *(name for name in coco_by_id()[1:] if name != "N/A")]
    assert opened.checkpoint.original_category_ids == pair.kept.tolist() and len(opened.classes) == 81
    assert_equal_everywhere(pair, drawn(opened.detector))


def _photographs(folder: Path, detector: Detector, count: int) -> Tensor:
    spec, pixels = detector.input_spec, []
    with zipfile.ZipFile(folder / "zips" / "val2017.zip") as archive:
        for name in sorted(name for name in archive.namelist() if name.endswith(".jpg"))[:count]:
            image = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
            pixels.append(np.asarray(image.resize((spec.width, spec.height))))
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()


def test_on_photographs_too(pair: Pair, coco_mini: Path) -> None:
    """They have the network's size, so that torchvision resizes nothing. What is suppressed is told by these numbers."""
    count = 1 if "vgg16" in pair.net else 2  # an image through VGG is 62 G multiply-adds here
    assert_equal_everywhere(pair, _photographs(coco_mini, pair.opened.detector, count))
    nms = find(pair.net).postprocess
    assert (pair.theirs.nms_thresh, pair.theirs.detections_per_img) == (nms.iou_threshold, nms.limit)
