"""Where there is no checkpoint, the message names what stands there and the command that was meant, and that one works."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.printed import ODD, Printed
from vision.engine.checkpoints.checkpoint import find
from vision.engine.checkpoints.find_runs import runs_below
from vision.engine.checkpoints.folder import NoCheckpoint, RunFolder

Train = Callable[..., int]


def begun(folder: Path, at: int) -> Path:
    """A folder with a record, last written ``at``."""
    folder.mkdir(parents=True)
    RunFolder(folder).write_records([])
    os.utime(folder / "checkpoints.json", (at, at))
    return folder


def test_runs_below_newest_first(tmp_path: Path) -> None:
    old, new = begun(tmp_path / "old", 1000), begun(tmp_path / "mb2" / "new", 2000)
    begun(tmp_path / "a" / "b" / "too-deep", 3000)
    (tmp_path / "empty").mkdir()
    assert runs_below(tmp_path) == [new, old]
    assert runs_below(tmp_path / "nothing") == []


def test_the_folder_above_the_runs_names_them_and_the_command_works(
    train: Train,
    tiny: list[str],
    tmp_path: Path,
    printed: Printed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    models = tmp_path / ODD
    assert train(*tiny, "--checkpoint-folder", models / "run", "--stop-after-step=1") == 0
    begun(models / "older", 1000)
    monkeypatch.chdir(tmp_path)
    assert train("--resume", models) == 1
    said = capsys.readouterr().err
    what, why, _ = said.splitlines()
    assert what.endswith(f"{models}: holds no checkpoint") and "newest first: run, older" in why
    line = printed(said, "vision/engine/checkpoints/find_runs.py:resume_with", "--stop-after-step=2")
    assert line == f"python train_ssd.py --resume '{models / 'run'}'"


def test_other_folders_and_files_are_called_what_they_are(tmp_path: Path, miniature_root: Path) -> None:
    with pytest.raises(NoCheckpoint, match="it is a data root"):
        find(miniature_root)
    with pytest.raises(NoCheckpoint, match=r"there is no checkpoints.json, nor a run below it"):
        find(tmp_path)
    (tmp_path / "COMBO_CHECKPOINT_x-Epoch-1-Loss-2.pth").write_bytes(b"x")
    with pytest.raises(
        NoCheckpoint, match=r"but no checkpoints.json(.|\n)*--resume \S+x-Epoch-1-Loss-2\.pth"
    ):
        find(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NoCheckpoint, match="it is a pipe"):
        find(tmp_path / "pipe")
    begun(tmp_path / "run", 1000)
    with pytest.raises(NoCheckpoint, match=rf"no such file or run folder(.|\n)*fix: x {tmp_path / 'run'}$"):
        find(tmp_path / "rum", ask=lambda run: f"x {run}")


def test_a_mistyped_run_or_checkpoint_is_answered_with_the_one_that_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    begun(Path("models/street"), 1000)
    begun(Path("models/newer"), 2000)
    Path("models/street/COMBO_CHECKPOINT_a-Step-1.pth").touch()
    Path("models/demo.onnx").touch()
    for typed, meant in (
        ("model/street", "models/street"), ("models/stret", "models/street"), ("modles", "models/newer"),
        ("models/street/COMBO_CHECKPOINT-a-Step-1.pth", "models/street/COMBO_CHECKPOINT_a-Step-1.pth"),
        ("model/demo.onx", "models/newer"), ("model/else", "models/newer"),
    ):  # fmt: skip
        with pytest.raises(NoCheckpoint) as caught:
            find(typed, ask=lambda run: f"x {run}")
        assert str(caught.value).splitlines()[1:] == [
            "  why: there is no such file or run folder", f"  fix: x {meant}",
        ]  # fmt: skip
    with pytest.raises(NoCheckpoint, match=r"fix: check the path$"):
        find("zzz/street")


def test_a_run_of_the_net_that_was_named_is_offered_and_another_one_is_called_so(
    train: Train, tiny: list[str], tmp_path: Path, printed: Printed, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    models = Path(ODD)
    assert train(*tiny, "--checkpoint-folder", models / "mine", "--stop-after-step=1") == 0
    begun(models / "newest", 1 << 40)
    (models / "newest/training_args.json").write_text('{"net": "classroom"}')
    site = "vision/engine/checkpoints/find_runs.py:resume_with"
    for typed in (models, models / "other", models / "minne"):
        capsys.readouterr()
        assert train("--resume", typed, "--net", "sq-ssd-lite") == 1
        assert printed.line(capsys.readouterr().err, site) == f"python train_ssd.py --resume '{models}/mine'"
        assert train("--resume", typed, "--net", "mb1-ssd-lite") == 1
        said = capsys.readouterr().err
        net = "sq-ssd-lite" if typed.name == "minne" else "classroom"
        assert f"fix: leave out --net mb1-ssd-lite, this is a run of {net}: " in said
    printed(said, site, "--stop-after-step=2")


@pytest.mark.parametrize(
    "name", ["labels.txt", "training_args.json", "checkpoints.json", "net.onnx", "metrics.jsonl"]
)
def test_a_file_of_the_run_is_answered_with_the_run(
    name: str, train: Train, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert train(*tiny, "--checkpoint-folder", run, "--stop-after-step=1") == 0
    if name == "net.onnx":
        (run / name).write_bytes(b"\x08\x08\x12\x07pytorch:")
    before = sorted(path.name for path in run.iterdir())
    assert train("--resume", run / name) == 1
    said = capsys.readouterr().err
    assert "why: it is a" in said and said.count("fix:") == 1
    assert f"fix: the newest good checkpoint of its run: python train_ssd.py --resume {run}" in said
    assert sorted(path.name for path in run.iterdir()) == before
    shutil.rmtree(run)
