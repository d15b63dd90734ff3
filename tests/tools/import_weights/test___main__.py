"""tools.import_weights: what comes out of a published file, and that nothing is guessed, half taken or written over."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.printed import ODD, Printed
from tools.import_weights.__main__ import main
from vision.core.sample import InputSpec
from vision.datasets.coco import CocoDetection
from vision.engine.checkpoints.open_detector import open_detector
from vision.nn.weights.normalisation import PYTORCH_SSD, fold
from vision.ssd.build import build_detector
from vision.ssd.variants import find

NAMES = ["BACKGROUND", "cat", "dog, or hound"]
NET = "mb2-ssd-lite"


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return build_detector(find(NET), len(NAMES), InputSpec(96, 96), 1.0, "ancestor").state_dict()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / ODD
    folder.mkdir()
    return folder


def call(file: Path, *more: object, net: str = NET) -> int:
    words = [
        str(file),
        "--net",
        net,
        "--output",
        str(file.parent / "run"),
        "--resolution",
        "96",
        *map(str, more),
    ]
    return main(words)


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
    printed(capsys.readouterr().err, "tools/import_weights/__main__.py:import_weights", fill=labels)
    said = capsys.readouterr().out
    data: dict[str, object] = {"DATA": miniature_root}
    printed(said, "tools/import_weights/__main__.py:import_weights#2", "--datasets", miniature_root)
    scoring = ("--workers=0", "--device=cpu")
    printed(said, "tools/import_weights/__main__.py:import_weights#3", *scoring, fill=data)
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


def short(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != "base_net.18.1.bias"}


def narrow(state: dict[str, Any]) -> dict[str, Any]:
    return state | {"extras.0.conv.0.weight": torch.ones(8, 1280, 1, 1)}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (short, "is not all of mb2-ssd-lite: 1 missing, 0 of another shape\n  why: base_net.18.1.bias"),
        (narrow, "is not all of mb2-ssd-lite: 0 missing, 1 of another shape\n  why: extras.0.conv.0.weight: (8, 1280, 1, 1)"),
        (lambda state: {"features.0.weight": torch.ones(2)}, "holds no detector's heads"),
        (lambda state: {"format": 1, "weights": state, "args": {"priors": "coco"}}, "is a checkpoint of this toolkit"),
        (lambda state: {"weights": state, "args": {"priors": "cats"}}, "--net mb2-ssd-lite: its prior boxes are"),
    ],
)  # fmt: skip
def test_what_is_not_whole_is_refused(
    place: Path, published: dict[str, torch.Tensor], change: Callable[[dict[str, Any]], Any], says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    torch.save(change(dict(published)), place / "net.pth")
    (place / "labels.txt").write_text("\n".join(NAMES))
    assert call(place / "net.pth") == 1
    said = capsys.readouterr().err
    assert says in said and "why: " in said and "fix: " in said
    assert sorted(path.name for path in place.iterdir()) == ["labels.txt", "net.pth"]


@pytest.mark.parametrize("names", [["cat"], ["cat", "dog", "horse"], ["BACKGROUND", "cat", "dog", "horse"]])
def test_labels_of_another_number_are_refused(
    place: Path, published: dict[str, torch.Tensor], names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(published, place / "net.pth")
    (place / "mine").write_text("\n".join(names))
    assert call(place / "net.pth", "--labels", place / "mine") == 1
    assert f"{len(names)} name" in capsys.readouterr().err and not (place / "run").exists()


def test_nothing_is_written_over(
    place: Path, published: dict[str, torch.Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(published, place / "net.pth")
    (place / "labels.txt").write_text("\n".join(NAMES))
    (place / "run").mkdir()
    (place / "run" / "diary").write_text("mine")
    assert call(place / "net.pth") == 1
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in (place / "run").iterdir()] == ["diary"]


def test_a_full_disk_leaves_nothing(
    place: Path, published: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tools.import_weights import run_folder

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    torch.save(published, place / "net.pth")
    (place / "labels.txt").write_text("\n".join(NAMES))
    monkeypatch.setattr(run_folder, "write_run_files", full)
    assert call(place / "net.pth") == 1
    assert sorted(path.name for path in place.iterdir()) == ["labels.txt", "net.pth"]


def test_a_name_that_is_nearly_one(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        call(place / "net.pth", net="mb2_ssd_lite")
    assert end.value.code == 2 and "did you mean 'mb2-ssd-lite'?" in capsys.readouterr().err
