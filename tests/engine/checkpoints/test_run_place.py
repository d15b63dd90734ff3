"""A run never puts its files among somebody's own: data, homes, this toolkit, folders of other trainers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vision.artefacts.data_layout import is_data_root
from vision.engine.checkpoints import run_place
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.checkpoints.run_place import (
    require_nothing_foreign,
    require_own_labels,
    require_place,
)
from vision.engine.options.combinations import UsageError

Train = Callable[..., int]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    "inside", [".", "train2017", "train2017/run", "annotations", "arrays/run", ".pipeline", "report"]
)
def test_a_data_root_and_its_folders(inside: str, tmp_path: Path) -> None:
    root = tmp_path / "own"
    (root / "annotations").mkdir(parents=True)
    (root / "annotations" / "instances_train2017.json").write_text("{}")
    assert is_data_root(root) and not is_data_root(tmp_path)
    (tmp_path / "link").symlink_to(root)
    for place in (root / inside, tmp_path / "link" / inside):
        with pytest.raises(
            UsageError, match=r"cannot hold a run(.|\n)*data root(.|\n)*fix: .*--checkpoint-folder"
        ):
            require_place(place)
    require_place(root / "models" / "run")
    require_place(tmp_path / "run")


def test_homes_and_the_toolkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "me"))
    for place in (tmp_path / "home" / "me", tmp_path / "home", Path("/")):
        with pytest.raises(UsageError, match="home folder, or one above it"):
            require_place(place)
    require_place(tmp_path / "home" / "me" / "run")
    toolkit = run_place.TOOLKIT
    assert (toolkit / "train_ssd.py").is_file()
    for inside in (".", "vision", "docs/runs", ".git/run", "tests"):
        with pytest.raises(UsageError, match="toolkit"):
            require_place(toolkit / inside)
    require_place(toolkit / "models")
    require_place(toolkit / "models" / "run")
    with pytest.raises(UsageError, match="it is a file"):
        require_place(toolkit / "train_ssd.py")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("COMBO_CHECKPOINT_mb1-ssd-Epoch-3-Loss-2.5.pth", "which no checkpoints.json of this toolkit claims"),
        ("mb2-ssd-lite.pth", "which no checkpoints.json of this toolkit claims"),
        ("labels.txt", "no run of this toolkit has begun there"), ("metrics.jsonl", "no run of this toolkit has begun there"),
        ("metrics.json", "no run of this toolkit has begun there"),
        ("training_args.json", "no run of this toolkit has begun there"),
        ("events.out.tfevents.1.host.2", "no run of this toolkit has begun there"),
    ],
)  # fmt: skip
def test_files_of_other_trainers_are_neither_replaced_nor_moved(
    name: str, says: str, train: Train, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / name).write_text('{"net": "mb1-ssd", "checkpoint_folder": "x", "batch_norm": 1}')
    before = contents(run)
    assert train(*tiny, "--checkpoint-folder", run) == 2
    said = capsys.readouterr().err
    assert name in said and says in said and "--checkpoint-folder" in said
    assert contents(run) == before


@pytest.mark.parametrize("name", ["metrics.csv", "report/detections.npz", "report/predictions.png"])
def test_what_training_writes_beside_its_checkpoints_is_not_somebodys(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(UsageError, match=name):
        require_nothing_foreign(tmp_path)


def test_what_is_not_written_to_may_lie_there(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    for name in ("README.md", "notes.json", "ssd-mobilenet.onnx", "report/mine.png"):
        (tmp_path / name).touch()
    require_nothing_foreign(tmp_path)
    require_nothing_foreign(tmp_path / "nothing")


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(
    train: Train, tiny: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    line = [*tiny, "--checkpoint-folder", run]
    assert train(*line, "--stop-after-step=1") == 0
    for path in (run / "checkpoints.json", *run.glob("*.pth")):
        path.unlink()
    assert (run / "labels.txt").exists() and (run / "training_args.json").exists()
    assert train(*line, "--stop-after-step=1") == 0
    assert len(RunFolder(run).records()) == 1


def test_the_data_root_as_run_folder_through_the_command(
    train: Train, tiny: list[str], miniature_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in miniature_root.iterdir())
    assert train(*tiny, "--checkpoint-folder", miniature_root) == 2
    assert "it is a data root" in capsys.readouterr().err
    assert sorted(path.name for path in miniature_root.iterdir()) == before


def test_labels_of_other_classes_beside_a_copied_checkpoint(tmp_path: Path) -> None:
    require_own_labels(tmp_path, ["BACKGROUND", "traffic light"])
    (tmp_path / "labels.txt").write_text("BACKGROUND\ntraffic light\n")
    require_own_labels(tmp_path, ["BACKGROUND", "traffic light"])
    with pytest.raises(UsageError, match="other classes"):
        require_own_labels(tmp_path, ["BACKGROUND", "cat"])
