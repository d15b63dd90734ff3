"""The classroom net by every public command: trained, resumed to the bit, scored by COCO's AP, exported for RGB."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from tests.engine.tiny_runs import TINY, assert_same_run
from tools import export_onnx
from tools.evaluate import __main__ as evaluate
from vision.core.sample import grey
from vision.engine.checkpoints.open_detector import open_detector
from vision.ssd.heads import NoOffsets

WORDS = [*(one for one in TINY if not one.startswith("--resolution")), "--net=classroom", "--epochs=1"]
WORDS += ["--resolution", "48", "32"]


@pytest.fixture(scope="module", params=["--box-regression", "--no-box-regression"])
def run(
    request: pytest.FixtureRequest, miniature_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Four steps, stopped after two and resumed; and the same without a stop beside it."""
    from train_ssd import main

    folder = tmp_path_factory.mktemp("classroom")
    line = ["--datasets", str(miniature_root), *WORDS, request.param]
    assert main([*line, "--checkpoint-folder", str(folder / "whole")]) == 0
    assert main([*line, "--checkpoint-folder", str(folder / "run"), "--stop-after-step=2"]) == 0
    assert main(["--resume", str(folder / "run")]) == 0
    return folder / "run"


def test_it_resumes_to_the_bit_and_is_what_it_was_published_as(run: Path) -> None:
    assert_same_run(run, run.parent / "whole")
    detector = open_detector(run).detector
    spec = detector.input_spec
    assert (spec.width, spec.height, spec.channels) == (48, 32, 1)
    assert len(detector.priors_cxcywh) == 12 * 8 * 12
    args = json.loads((run / "training_args.json").read_text())
    assert isinstance(detector.regression_headers, NoOffsets) is not args["box_regression"]
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    costs = [row["localization"] for row in rows if "localization" in row]
    assert costs and all((cost > 0) is args["box_regression"] for cost in costs)


def test_it_is_scored_and_exported(run: Path, tmp_path: Path) -> None:
    assert evaluate.main([str(run), "--workers", "0", "--output", str(tmp_path / "scores")]) == 0
    assert "AP50" in json.loads((tmp_path / "scores" / "metrics.json").read_text())
    network = tmp_path / "out" / "net.onnx"
    assert export_onnx.main([str(run), "--output", str(network), "--opset", "11"]) == 0
    session = onnxruntime.InferenceSession(str(network))
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 32, 48)).astype(np.float32)
    scores, boxes = session.run(["scores", "boxes"], {"input_0": image})
    detector = open_detector(run).detector
    with torch.no_grad():
        logits, offsets = detector(grey(torch.from_numpy(image)))
        expected = detector.coder.decode(offsets, detector.priors_cxcywh)
    np.testing.assert_allclose(scores[..., 1:], torch.sigmoid(logits).numpy(), atol=1e-5)
    np.testing.assert_allclose(boxes, expected.numpy(), atol=1e-5)
