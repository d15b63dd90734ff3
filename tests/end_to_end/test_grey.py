"""A net of one channel by every public command: trained, refused as another run, evaluated, exported, shown an image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from tests.engine.tiny_runs import TINY
from tools import export_onnx
from tools.detect import __main__ as detect
from tools.evaluate import __main__ as evaluate
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.checkpoints.open_detector import open_detector

GREY = ["--channels=1", "--resolution", "96", "64", "--epochs=1"]


@pytest.fixture(scope="module")
def runs(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A grey run, and an RGB one that started from its weights."""
    from train_ssd import main

    folder, line = tmp_path_factory.mktemp("grey"), ["--datasets", str(miniature_root), *TINY, *GREY]
    assert main([*line, "--checkpoint-folder", str(folder / "grey")]) == 0
    newest = folder / "grey" / RunFolder(folder / "grey").records()[-1].file
    words = ["--channels=3", "--stop-after-step=1", "--pretrained-ssd", str(newest)]
    assert main([*line, *words, "--checkpoint-folder", str(folder / "rgb")]) == 0
    return folder / "grey", folder / "rgb"


def test_the_run_says_that_it_is_grey(runs: tuple[Path, Path]) -> None:
    opened = open_detector(runs[0])
    assert opened.detector.input_spec.channels == 1 and "96×64 px, grey" in opened.describe()
    assert json.loads((runs[0] / "training_args.json").read_text())["channels"] == 1
    assert "px, grey" not in open_detector(runs[1]).describe()


def test_it_is_evaluated_exported_and_shown_an_image(
    runs: tuple[Path, Path], miniature_root: Path, tmp_path: Path
) -> None:
    run, network = runs[0], tmp_path / "out" / "net.onnx"
    assert evaluate.main([str(run), "--workers", "0", "--output", str(tmp_path / "scores")]) == 0
    assert export_onnx.main([str(run), "--output", str(network), "--opset", "11"]) == 0
    session = onnxruntime.InferenceSession(str(network))
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 64, 96)).astype(np.float32)
    scores, _ = session.run(["scores", "boxes"], {"input_0": image})
    shares = np.float32([0.299, 0.587, 0.114])[None, :, None, None]
    with torch.no_grad():
        logits, _ = open_detector(run).detector(torch.from_numpy((image * shares).sum(1, keepdims=True)))
    np.testing.assert_allclose(scores, torch.softmax(logits, -1).numpy(), atol=1e-5)
    photograph = str(sorted((miniature_root / "val2017").iterdir())[0])
    best = []
    for number, model in enumerate((run, network)):
        folder = tmp_path / f"drawn-{number}"
        assert detect.main([str(model), photograph, "--output", str(folder)]) == 0
        best += [one["best_score"] for one in json.loads((folder / "detections.json").read_text())["images"]]
    assert best[0] == best[1] > 0


def test_another_start_says_what_became_of_the_first_layer(
    runs: tuple[Path, Path], miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from train_ssd import main

    newest = str(runs[1] / RunFolder(runs[1]).records()[-1].file)
    line = ["--datasets", str(miniature_root), *TINY, *GREY, "--stop-after-step=1"]
    for flag in ("--base-net", "--pretrained-ssd"):
        assert main([*line, flag, newest, "--checkpoint-folder", str(tmp_path / flag)]) == 0
        assert "its first layer is summed over red, green and blue" in capsys.readouterr().out
