"""tools.export_onnx: what is written is what detectNet reads, seen by an independent reader of the file."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from tools import export_onnx
from tools.export_onnx import main
from vision.core.sample import Sample
from vision.datasets import coco
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError
from vision.engine.checkpoints.open_detector import open_detector
from vision.export import parity
from vision.export.parity import ParityBroken
from vision.ssd.postprocess import detect


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(small_run, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("opset", [13, 17])
def test_the_file_meets_the_contract(run: Path, opset: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--opset", str(opset)]) == 0
    model = onnx.load(str(run / "ssd-mobilenet.onnx"))
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", opset)]
    session = onnxruntime.InferenceSession(str(run / "ssd-mobilenet.onnx"))
    (entrance,) = session.get_inputs()
    assert (entrance.name, entrance.shape, entrance.type) == ("input_0", [1, 3, 64, 96], "tensor(float)")
    shapes = {output.name: output.shape for output in session.get_outputs()}
    labels = (run / "labels.txt").read_bytes()
    assert set(shapes) == {"scores", "boxes"} and shapes["scores"][1:] == [
        shapes["boxes"][1],
        labels.count(b"\n"),
    ]
    assert labels.startswith(b"BACKGROUND\nperson\n") and b"\r" not in labels and not labels.endswith(b"\n\n")
    said = capsys.readouterr().out
    assert "--input-blob=input_0 --output-cvg=scores --output-bbox=boxes" in said
    assert json.loads((run / "export_report.json").read_text())["weights"] == "ema"


def test_scores_and_boxes_are_those_of_evaluation(run: Path) -> None:
    """The file, post-processed by hand for one image, finds what ``detect`` finds in torch."""
    assert main([str(run)]) == 0
    opened = open_detector(run)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 64, 96)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(run / "ssd-mobilenet.onnx"))
    scores, boxes = session.run(["scores", "boxes"], {"input_0": image})
    np.testing.assert_allclose(scores.sum(axis=2), 1, atol=1e-5)
    with torch.no_grad():
        logits, offsets = opened.detector(torch.from_numpy(image))
    (best,) = detect(logits, offsets, opened.detector, score_threshold=0.0, limit=1)
    prior, label = np.unravel_index(scores[0, :, 1:].argmax(), scores[0, :, 1:].shape)
    assert label + 1 == int(best.labels[0])
    np.testing.assert_allclose(scores[0, prior, label + 1], float(best.scores[0]), atol=1e-4)
    np.testing.assert_allclose(boxes[0, prior].clip(0, 1), best.boxes_xyxy[0].numpy(), atol=1e-4)


def test_a_difference_publishes_nothing_and_keeps_the_older_file(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run)]) == 0
    older = (run / "ssd-mobilenet.onnx").read_bytes()
    monkeypatch.setattr(parity, "TIMES_THE_ROUNDING", 1e-6)
    monkeypatch.setattr(parity, "LAST_DIGITS", 0.0)
    assert main([str(run)]) == 1
    said = capsys.readouterr().err
    assert (
        "away from float64 in scores; nothing was published\n  why: rounding explains" in said
        and "\n  fix: " in said
    )
    assert (run / "ssd-mobilenet.onnx").read_bytes() == older
    assert not list(run.glob(".tmp-*"))


def test_other_weights_are_noticed(run: Path) -> None:
    assert main([str(run)]) == 0
    detector = open_detector(run).detector
    with torch.no_grad():
        next(iter(detector.classification_headers.parameters())).add_(0.5)
    image = np.zeros((1, 3, 64, 96), dtype=np.float32)
    with pytest.raises(ParityBroken, match="away from float64 in scores"):
        parity.compare(run / "ssd-mobilenet.onnx", detector, [image])
    with pytest.raises(ParityBroken, match="no image"):
        parity.compare(run / "ssd-mobilenet.onnx", detector, [])


def test_wrong_arguments_are_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--opset", "7"]) == 1
    assert main([str(run), "--output", str(run / "x.pb")]) == 1
    said = capsys.readouterr().err
    assert "11 to 20" in said and "end in .onnx" in said


def test_the_printed_command_is_that_of_the_device(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a file in the folder where one is: a model lives in models/<folder> there."""
    (tmp_path / "street").mkdir()
    monkeypatch.chdir(tmp_path / "street")
    assert main([str(run), "--output", "net.onnx"]) == 0
    assert (
        "  detectnet --model=models/street/net.onnx --labels=models/street/labels.txt --input-blob=input_0 "
        "--output-cvg=scores --output-bbox=boxes csi://0\n"
    ) in capsys.readouterr().out


def test_data_that_is_gone_is_replaced_and_data_that_was_named_is_not(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([str(run), "--datasets", str(tmp_path / "nowhere")]) == 1
    assert "there is no folder " in capsys.readouterr().err
    assert not (run / "ssd-mobilenet.onnx").exists()
    monkeypatch.setattr(export_onnx, "_validation_images", _gone)
    assert main([str(run)]) == 0
    said = capsys.readouterr().out
    assert "note: data: gone; comparing on photographs" in said and "4 photographs of scikit-image" in said


def _gone(roots: list[Path]) -> list[np.ndarray]:
    raise DatasetError("data: gone")


def test_images_of_all_data_sets_are_compared_in_turns(
    miniature_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four of each of two, and of the larger one what the other one lacks."""
    seen: list[tuple[str, int]] = []

    class Few(CocoDetection):
        def __init__(self, root: Path, split: str) -> None:
            super().__init__(miniature_root, split)
            self.root = root

        def __len__(self) -> int:
            return 2 if self.root.name == "few" else 8

        def load(self, index: int) -> Sample:
            seen.append((self.root.name, index))
            return super().load(index)

    monkeypatch.setattr(coco, "CocoDetection", Few)
    assert len(export_onnx._validation_images([Path("few"), Path("many")])) == 8
    assert seen == [
        ("few", 0),
        ("many", 0),
        ("few", 1),
        ("many", 1),
        *(("many", index) for index in range(2, 6)),
    ]


def test_images_are_compared_as_the_device_feeds_them(small_run: Path, miniature_root: Path) -> None:
    """Truncating nearest neighbour and p / 127.5 − 1, computed here from the files."""
    opened = open_detector(small_run)
    images, source = export_onnx.comparison_images(miniature_root, opened)
    assert len(images) == 8 and source == f"images of {miniature_root}"
    record = json.loads((miniature_root / "annotations/instances_val2017.json").read_text())
    first = min(record["images"], key=lambda row: row["id"])["file_name"]
    pixels = np.asarray(Image.open(miniature_root / "val2017" / first).convert("RGB"))
    rows, columns = (np.arange(n) * size // n for n, size in zip((64, 96), pixels.shape[:2], strict=True))
    expected = pixels[rows][:, columns].transpose(2, 0, 1)[None] / 127.5 - 1
    np.testing.assert_allclose(images[0], expected, atol=0.1)  # two JPEG decoders may differ by some levels
    assert np.abs(images[0] - expected).mean() < 0.01


def test_the_printed_command_exports_beside_a_network_of_ones_own(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = run.rename(tmp_path / "a b$(touch X)")
    (odd / "ssd-mobilenet.onnx").write_bytes(b"mine")
    assert main([str(odd), "--opset", "11"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 3 and "Traceback" not in said
    words = shlex.split(said.split("fix: export to another place: ")[1])
    assert words[:3] == ["python", "-m", "tools.export_onnx"] and main(words[3:]) == 0
    assert (odd / "ssd-mobilenet.onnx").read_bytes() == b"mine"
    made = onnx.load(str(odd / "ssd-mobilenet-2/ssd-mobilenet.onnx"))
    assert made.opset_import[0].version == 11 and (odd / "ssd-mobilenet-2/labels.txt").is_file()


def test_what_is_said_of_a_broken_export_names_the_output(
    overflowing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(overflowing), "--output", str(tmp_path / "net.onnx")]) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path / 'net.onnx'} breaks" in said and ".tmp-" not in said and "weight of inf" not in said
    assert not (tmp_path / "net.onnx").exists()
