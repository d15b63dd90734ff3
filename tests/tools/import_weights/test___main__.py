"""tools.import_weights: what comes out of a published file, and that nothing is guessed, half taken or written over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.printed import Printed, main_of
from tests.tools.import_weights.conftest import NAMES, NET, call
from tools import export_onnx
from vision.core.sample import InputSpec
from vision.datasets.coco import CocoDetection
from vision.engine.checkpoints.open_detector import open_detector
from vision.nn.weights.normalisation import PYTORCH_SSD, fold
from vision.ssd.build import build_detector
from vision.ssd.variants import find


def test_a_checkpoint_of_kaboom_labs_with_its_scheduler_and_of_several_gpus(
    place: Path, published: dict[str, torch.Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    net = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    content = {
        "epoch": 7,
        "weights": {f"module.{name}": value for name, value in published.items()}
        | {"module.left": torch.ones(2)},
        "optimizer": optimizer.state_dict(),
        "scheduler": torch.optim.lr_scheduler.MultiStepLR(optimizer, [3]),
    }
    file = place / "COMBO_CHECKPOINT_mb2-ssd-lite-Epoch-7-Loss-4.33.pth"
    torch.save(content, file)
    (place / "labels.txt").write_text("\n".join(NAMES))
    (place / "training_args.json").write_text('{"net": "mb2-ssd-lite", "epochs": 100}')
    assert call(file) == 0
    said = capsys.readouterr().out
    assert "0 missing, 1 unexpected, 0 of another shape\n  unexpected, left out: left\n" in said
    assert "never made nor run:" in said and "torch.optim.lr_scheduler.MultiStepLR" in said
    assert "3 classes with background, told with the file" in said and "(pixel − 127) / 128, folded" in said
    opened = open_detector(place / "run")
    expected = fold(published, "base_net.0.0", "base_net.0.1", PYTORCH_SSD, InputSpec())
    found = opened.detector.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert opened.classes == NAMES and opened.checkpoint.config.priors == "ancestor"
    assert opened.detector.input_spec == InputSpec(96, 96)
    arguments = json.loads((place / "run" / "training_args.json").read_text())
    assert arguments["net"] == NET and arguments["checkpoint_folder"] == str(place / "run")
    assert (place / "run" / "labels.txt").read_text().splitlines() == NAMES


def test_each_printed_command_works(
    place: Path, miniature_root: Path, printed: Printed, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Without labels the command with them is printed; its result exports, is scored, and a training starts from it."""
    monkeypatch.chdir(place.parent)
    names = CocoDetection(miniature_root, "val").classes
    net = build_detector(find(NET), len(names), InputSpec(96, 96), 1.0, "ancestor")
    torch.save(net.state_dict(), place / "net.pth")
    (place / "names of mine").write_text("\n".join(names[1:]))
    assert call(place / "net.pth") == 1
    assert not (place / "run").exists()
    labels: dict[str, object] = {"LABELS": place / "names of mine"}
    printed(capsys.readouterr().err, "tools/import_weights/__main__.py:_again", fill=labels)
    said = capsys.readouterr().out
    data: dict[str, object] = {"DATA": miniature_root}
    printed(said, "tools/import_weights/__main__.py:import_weights", "--datasets", miniature_root)
    scoring = ("--workers=0", "--device=cpu")
    printed(said, "tools/import_weights/__main__.py:import_weights#2", *scoring, fill=data)
    training = (
        "--workers=0",
        "--device=cpu",
        "--batch-size=2",
        "--stop-after-step=1",
        "--validation-map=false",
    )
    printed(said, "vision/engine/runs/initial.py:start_from", *training, fill=data)
    said = capsys.readouterr().out
    assert (
        f"heads kept for {len(names)} of {len(names)} classes" in said
        and "--priors ancestor: taken from" in said
    )
    assert json.loads((place / "run" / "metrics.json").read_text())["weights"] == "raw"
    assert list((place / "run-trained").glob("*.pth"))
    assert open_detector(place / "run").checkpoint.original_category_ids[1:] == list(
        CocoDetection(miniature_root, "val").original_category_ids[1:]
    )


def test_a_run_of_imported_weights_is_not_resumed(
    place: Path, published: dict[str, torch.Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    from train_ssd import main as train

    torch.save(published, place / "net.pth")
    (place / "labels.txt").write_text("\n".join(NAMES))
    assert call(place / "net.pth") == 0
    assert train(["--resume", str(place / "run")]) == 1
    assert "holds imported weights, and no training to resume" in capsys.readouterr().err


def test_data_that_nobody_named_are_not_called_gone(
    place: Path, published: dict[str, torch.Tensor], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """By export, evaluation and inspection of an imported run, where there is no coco-data."""
    monkeypatch.chdir(place)
    torch.save(published, place / "net.pth")
    (place / "labels.txt").write_text("\n".join(NAMES))
    assert call(place / "net.pth") == 0
    capsys.readouterr()
    images, source = export_onnx.comparison_images(None, open_detector(place / "run"))
    said = capsys.readouterr().out
    assert len(images) == 4 and source == "photographs of scikit-image"
    assert (
        said.startswith("note: imported weights name no data (--datasets DIR compares")
        and "coco-data" not in said
    )
    assert main_of("tools.evaluate")([str(place / "run")]) == 1
    why, fix = capsys.readouterr().err.splitlines()[1:]
    assert "holds imported weights, which name no data" in why and fix.endswith(
        "a data root with the classes of these weights"
    )
    assert main_of("tools.inspect_checkpoint")([str(place / "run")]) == 0
    assert "data       none: imported weights\n" in capsys.readouterr().out


def test_a_name_that_is_nearly_one(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        call(place / "net.pth", net="mb2-ssd-lit")
    assert end.value.code == 2 and "did you mean 'mb2-ssd-lite'?" in capsys.readouterr().err
