"""Data are found from whatever folder a resume is started in, and where they are gone the command says so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.engine.tiny_runs import TINY
from tests.printed import ODD, Printed
from vision.engine.checkpoints import checkpoint
from vision.engine.checkpoints.data_place import learned_from, recorded_root, with_absolute_data
from vision.engine.checkpoints.open_detector import open_detector
from vision.engine.options.config import TrainConfig

Train = Callable[..., int]


@pytest.fixture
def project(miniature_root: Path, tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``data`` and ``models/run``, a run that was started in it with relative paths."""
    folder = tmp_path / ODD
    folder.mkdir()
    shutil.copytree(miniature_root, folder / "data")
    monkeypatch.chdir(folder)
    assert train("--datasets=data", *TINY, "--checkpoint-folder=models/run", "--stop-after-step=1") == 0
    return folder


def test_a_resume_from_another_folder(
    project: Path,
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = project / "models" / "run"
    assert json.loads((run / "training_args.json").read_text())["datasets"] == [str(project / "data")]
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert train("--resume", run, "--stop-after-step=2") == 0
    assert "--datasets" not in capsys.readouterr().out, "nothing has changed"
    arguments = json.loads((run / "training_args.json").read_text())
    (run / "training_args.json").write_text(json.dumps({**arguments, "datasets": ["data"]}))  # by hand
    assert train("--resume", run, "--stop-after-step=3") == 0
    assert (
        f"--datasets data: not in the current folder, taken from {project / 'data'}"
        in capsys.readouterr().out
    )
    assert json.loads((run / "training_args.json").read_text())["datasets"] == [str(project / "data")]
    assert open_detector(run).data_roots == [project / "data"]


def test_a_way_up_and_down_is_recorded_straight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is in everything that is printed of it; not where a link on the way would lead elsewhere."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    config = with_absolute_data(
        TrainConfig(datasets=("../data", "b/../../data"), validation_dataset="../data")
    )
    assert (
        config.datasets == (str(tmp_path / "data"),) * 2 and config.validation_dataset == config.datasets[0]
    )
    assert recorded_root("../data", tmp_path) == tmp_path / "data"
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "a/link").symlink_to(tmp_path / "far/away")
    assert recorded_root("link/../data", tmp_path) == tmp_path / "a/link/../data"


def test_moved_data_are_named_with_the_option_and_the_command_works(
    project: Path,
    printed: Printed,
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = project / "models" / "run"
    (project / "data").rename(project / "moved")
    monkeypatch.chdir(tmp_path)
    assert train("--resume", run) == 1
    said = capsys.readouterr().err
    assert f"there is no folder {project / 'data'}\n" in said
    fill: dict[str, object] = {"FOLDER": project / "moved"}
    printed(said, "vision/engine/checkpoints/data_place.py:located", "--stop-after-step=2", fill=fill)


def test_where_a_relative_root_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "models" / "run"
    (tmp_path / "data" / "arrays").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert recorded_root("data", run) == tmp_path / "data"
    assert recorded_root("nothing", run) == tmp_path / "elsewhere" / "nothing"
    assert recorded_root("/nowhere/data", run) == Path("/nowhere/data")
    (tmp_path / "elsewhere" / "data" / "arrays").mkdir(parents=True)
    assert recorded_root("data", run) == tmp_path / "elsewhere" / "data", "the current folder goes first"


def test_what_the_weights_were_made_of_is_learned_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that begins with the weights of another one knows what that one has learned; of other trainers nothing is known."""
    file = tmp_path / "first" / "x.pth"
    file.parent.mkdir()
    file.touch()
    config = TrainConfig(datasets=("second",), pretrained_ssd=str(file))
    assert learned_from(config, tmp_path) == [Path("second").absolute()], (
        "an empty file is of another trainer"
    )
    before = SimpleNamespace(
        config=TrainConfig(datasets=("one", "two"), pretrained_ssd=str(file)), imported=False
    )
    monkeypatch.setattr(checkpoint, "load", lambda path: before)
    assert learned_from(config, tmp_path) == [Path(name).absolute() for name in ("second", "one", "two")]
    before.imported = True
    assert learned_from(config, tmp_path) == [Path("second").absolute()]
