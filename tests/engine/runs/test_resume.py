"""A run that was stopped and resumed is the run that was never stopped, bit for bit."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from pipeline.__main__ import main as pipeline
from tests.engine.tiny_runs import (
    TINY,
    WITH_STATISTICS,
    assert_same_run,
    end_state,
    seen_in_tensorboard,
    step_rows,
)
from tests.printed import ODD, Printed
from vision.datasets.coco import CocoDetection
from vision.engine.checkpoints.checkpoint import load
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.options.config import TrainConfig, parse
from vision.engine.runs import resume
from vision.engine.runs.plan import Plan
from vision.engine.runs.resume import IncompatibleResume, _check_digest, write_run_files
from vision.messages.advice import UserError

Train = Callable[..., int]


@pytest.fixture(scope="module")
def uninterrupted(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 epochs of 4 steps at one go."""
    from train_ssd import main

    run = tmp_path_factory.mktemp("uninterrupted") / "run"
    assert main(["--datasets", str(miniature_root), *WITH_STATISTICS, "--checkpoint-folder", str(run)]) == 0
    assert [row["step"] for row in step_rows(run)] == list(range(1, 17))
    return run


def test_resume_at_an_epoch_boundary(
    train: Train, with_statistics: list[str], uninterrupted: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert train(*with_statistics, "--checkpoint-folder", run, "--workers", 2, "--stop-after-epoch", 2) == 0
    assert end_state(run)["step"] == 8
    assert train("--resume", run) == 0
    assert_same_run(run, uninterrupted)


def test_resume_at_any_step(
    train: Train, with_statistics: list[str], uninterrupted: Path, tmp_path: Path
) -> None:
    """After the first one, in the middle of an epoch, at its end, just behind it, in a later one."""
    run = tmp_path / "run"
    for stop in (1, 3, 4, 5, 10):
        line = [*with_statistics, "--checkpoint-folder", run, "--resume", "auto", "--stop-after-step", stop]
        assert train(*line) == 0
        assert end_state(run)["step"] == stop
    assert train("--resume", run) == 0
    assert_same_run(run, uninterrupted)


def test_a_resume_from_an_older_file_moves_later_records_aside(
    train: Train, with_statistics: list[str], uninterrupted: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert train(*with_statistics, "--checkpoint-folder", run) == 0
    second = RunFolder(run).records()[1].file
    assert train("--resume", run / second) == 0
    assert_same_run(run, uninterrupted)
    moved = (run / "metrics.1.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in moved if '"step",' in line] == list(range(9, 17))
    assert len(json.loads((run / "checkpoints.1.json").read_text())["checkpoints"]) == 2


def steps_in_tensorboard(run: Path) -> list[int]:
    return sorted(event.step for event in seen_in_tensorboard(run).Scalars("loss_by_step/total"))


def test_logs_have_every_step_once(train: Train, tiny: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    for stop in (3, 6):
        assert train(*tiny, "--checkpoint-folder", run, "--resume", "auto", "--stop-after-step", stop) == 0
    (run / RunFolder(run).records()[-1].file).write_bytes(b"")  # its three steps have to be made again
    assert train("--resume", run) == 0
    assert steps_in_tensorboard(run) == [row["step"] for row in step_rows(run)] == list(range(1, 17))


@pytest.mark.faults
def test_logs_have_every_step_once_after_twenty_resumes(
    train: Train, tiny: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    line = [*tiny, "--epochs=6", "--checkpoint-folder", run, "--resume", "auto"]
    for stop in range(1, 22):
        assert train(*line, "--stop-after-step", stop) == 0
    assert train(*line) == 0
    assert steps_in_tensorboard(run) == [row["step"] for row in step_rows(run)] == list(range(1, 25))


# ---------------------------------------------------------------- arguments


@pytest.fixture(scope="module")
def stopped_once(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only."""
    from train_ssd import main

    run = tmp_path_factory.mktemp("stopped") / "run"
    line = ["--datasets", str(miniature_root), *TINY, "--checkpoint-folder", str(run)]
    assert main([*line, "--stop-after-step", "2"]) == 0
    return run


@pytest.fixture
def stopped(stopped_once: Path, tmp_path: Path) -> Path:
    """A run of its own that was stopped after two steps."""
    return Path(shutil.copytree(stopped_once, tmp_path / "run"))


def newest(run: Path) -> Path:
    return run / RunFolder(run).records()[-1].file


def edit(run: Path, **changes: Any) -> None:
    path = run / "training_args.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--resolution 96", "--resolution: 64 → 96"),
        ("--channels 1", "--channels: 3 → 1"),
        ("--batch-size 8", "--batch-size: 4 → 8"),
        ("--seed 1", "--seed: 0 → 1"),
        ("--optim-choose Adam", "--optim-choose: SGD → Adam"),
        ("--ema 0.5", "--ema: 0.9 → 0.5"),
    ],
)
def test_what_makes_it_another_run_is_refused_with_the_difference(
    words: str, said: str, stopped: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (stopped / "metrics.jsonl").read_bytes()
    assert train("--resume", stopped, *words.split()) == 1
    message = capsys.readouterr().err
    assert said in message and "another run" in message and "--pretrained-ssd" in message
    assert (stopped / "metrics.jsonl").read_bytes() == before


def test_what_is_accepted_by_name_is_shown(
    stopped: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(stopped, debug_steps=7)
    line = ["--resume", stopped, "--lr", "0.02", "--epochs", 5, "--workers", 0, "--stop-after-step", 3]
    assert train(*line) == 0
    said = capsys.readouterr().out
    assert "--lr: 0.01 → 0.02 (changes the training from here on)" in said
    assert "--epochs: 4 → 5 (the schedule keeps its horizon" in said
    assert "--debug-steps: 3 → 7" in said and "cosine over 16 steps" in said
    rates = [row["rate"]["heads"] for row in step_rows(stopped)]
    assert rates[2] > 1.5 * rates[1]
    saved = json.loads((stopped / "training_args.json").read_text())
    assert (saved["lr"], saved["epochs"], saved["debug_steps"]) == (0.02, 5, 7)


def test_another_t_max_moves_the_horizon(
    stopped: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--resume", stopped, "--epochs", 6, "--t-max", 6, "--stop-after-step", 3) == 0
    assert "cosine over 24 steps" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "training_args.json"),
        ('{"lr": 0.1, "lr": 0.2}', "twice"),
        ('{"lr": NaN}', "training_args.json"),
        ('{"lr": 1e300}', "--lr 1e+300: must be at most 100.0"),
        ('{"threads": 1000000000}', "--threads 1000000000: must be at most 1024"),
        ('{"lr": "fast"}', "lr: expected a number"),
        ('{"lr": -1}', "--lr"),
        ('{"lrr": 1}', "did you mean 'lr'"),
        ('{"epochs": 1e400}', "training_args.json"),
        ('{"workers": 100000}', "--workers"),
        ('{"milestones": [[1]]}', "milestones"),
        ('{"datasets": ["a\\u0000b"]}', "training_args.json: datasets: expected text without NUL"),
        (
            '{"datasets": ["a\\ud800b"]}',
            "training_args.json: datasets: expected text without NUL and half characters",
        ),
        ("[]", "expected an object"),
        ("[" * 100000, "training_args.json"),
    ],
)
def test_hostile_arguments_are_refused_by_name(
    text: str, said: str, stopped: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    (stopped / "training_args.json").write_text(text)
    assert train("--resume", stopped) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", ["two\nlines", "a\rb", "a\u2028b", " padded", ""])
def test_a_class_name_that_is_not_one_line_is_refused_when_the_run_folder_is_written(
    name: str, tmp_path: Path
) -> None:
    """Of a data root that another program has made; the name is a line of ``labels.txt``."""
    with pytest.raises(UserError, match="takes BACKGROUND first, then names of one line") as caught:
        write_run_files(TrainConfig(), tmp_path / "run", ["BACKGROUND", "cat", name])
    assert str(caught.value).count("\n") == 2 and not (tmp_path / "run").exists()


def test_the_run_folder_is_the_one_that_was_named(stopped: Path, train: Train, tmp_path: Path) -> None:
    edit(stopped, checkpoint_folder=str(tmp_path / "elsewhere"))
    assert train("--resume", stopped, "--stop-after-step", 3) == 0
    assert not (tmp_path / "elsewhere").exists() and end_state(stopped)["step"] == 3


def test_other_data_are_refused(
    stopped: Path, train: Train, miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(miniature_root, tmp_path / "moved"))
    assert train("--resume", stopped, "--datasets", other, "--stop-after-step", 3) == 0, "only moved"
    path = other / "arrays" / "train2017" / "arrays.json"
    record = json.loads(path.read_text())
    record["sha256"]["labels"] = "0" * 64
    path.write_text(json.dumps(record))
    assert train("--resume", stopped, "--datasets", other) == 1
    assert "other data than the checkpoint" in capsys.readouterr().err
    for split in ("train", "val"):
        path = other / "arrays" / f"{split}2017" / "arrays.json"
        record = json.loads(path.read_text())
        record["classes"][1] = "unicorn"
        path.write_text(json.dumps(record))
    assert train("--resume", stopped, "--datasets", other) == 1
    assert "unicorn" in capsys.readouterr().err


def test_other_validation_data_are_refused(
    stopped: Path, train: Train, miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(miniature_root, tmp_path / "other"))
    path = other / "arrays" / "val2017" / "arrays.json"
    record = json.loads(path.read_text())
    record["sha256"]["labels"] = "0" * 64
    path.write_text(json.dumps(record))
    assert train("--resume", stopped, "--datasets", other) == 1
    message = capsys.readouterr().err
    assert "other validation data than the checkpoint was validated with" in message
    assert "why: as many images and boxes (8 images with " in message
    assert "--pretrained-ssd" in message and end_state(stopped)["step"] == 2


def test_data_in_another_frame_are_named_and_made_again(
    train: Train,
    miniature_root: Path,
    tmp_path: Path,
    printed: Printed,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Photographs of the user's own, two of them turned by 180 degrees: ``--exif apply``, and back."""
    root, run = tmp_path / ODD / "own", tmp_path / "run"
    for name in ("train2017", "val2017"):
        shutil.copytree(miniature_root / name, root / name)
        published = f"annotations/instances_{name}.json"
        (root / "annotations").mkdir(exist_ok=True)
        shutil.copy(miniature_root / published, root / published)
    for path in sorted((root / "train2017").iterdir())[:2]:
        turned = Image.Exif()
        turned[0x0112] = 3
        data = path.read_bytes()
        path.write_bytes(
            data[:2]
            + b"\xff\xe1"
            + (len(turned.tobytes()) + 2).to_bytes(2, "big")
            + turned.tobytes()
            + data[2:]
        )
    assert pipeline(["run", "--root", str(root), "--from", "validate_images"]) == 0
    assert train("--datasets", root, *TINY, "--checkpoint-folder", run, "--stop-after-step", 1) == 0
    assert load(newest(run)).exif == "stored"
    assert pipeline(["run", "--root", str(root), "--exif", "apply"]) == 0
    capsys.readouterr()
    assert train("--resume", run) == 1
    said = capsys.readouterr().err
    assert (
        "the run has used all images as they are stored (--exif stored), these data 2 photographs upright"
        in said
    )
    printed(said, "vision/datasets/root_advice.py:_run")
    assert train("--resume", run, "--stop-after-step", 2) == 0
    own = {"images": 16, "boxes": load(newest(run)).data["train"]["boxes"]}
    for was, why in (
        ({**own, "upright": 5}, "the run has used 5 photographs upright, as EXIF turns them"),
        ({**own, "images": 17, "upright": 0}, "why: 16 images with "),
        (None, "why: their digest is another one"),
    ):
        with pytest.raises(IncompatibleResume, match=re.escape(why)):
            _check_digest("", "trained on", "0" * 64, was, CocoDetection(root))


def test_a_checkpoint_that_does_not_tell_its_validation_data_goes_on_with_a_note(
    stopped: Path, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = torch.load(stopped / RunFolder(stopped).records()[-1].file, weights_only=True)
    assert len(content.pop("validation_digest")) == 64
    (tmp_path / "older").mkdir()
    torch.save(content, tmp_path / "older" / "COMBO_CHECKPOINT_x-Step-2.pth")
    line = ["--resume", tmp_path / "older" / "COMBO_CHECKPOINT_x-Step-2.pth", "--stop-after-step", 3]
    assert train(*line) == 0
    assert "note: the checkpoint is older and does not tell its validation data" in capsys.readouterr().out
    assert load(tmp_path / "older" / "COMBO_CHECKPOINT_sq-ssd-lite-Step-3.pth").validation_digest


def test_a_run_is_not_made_shorter_than_it_is(
    train: Train, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would have stored 1, and the next resume would have found nothing to do."""
    run = tmp_path / "run"
    assert train(*tiny, "--checkpoint-folder", run, "--stop-after-step", 9) == 0
    before = (run / "training_args.json").read_bytes()
    for epochs in (1, 2):
        assert train("--resume", run, "--epochs", epochs) == 2
        said = capsys.readouterr().err
        assert f"--epochs {epochs}: the run is past that" in said and "fix: name at least 3" in said
    assert (run / "training_args.json").read_bytes() == before
    edit(run, epochs=1)
    assert train("--resume", run) == 2
    assert "training_args.json: epochs 1: the run is past that" in capsys.readouterr().err
    assert train("--resume", run, "--epochs", 3, "--stop-after-step", 10) == 0


@pytest.mark.parametrize("word", ["none", "None"])
def test_resume_none_is_a_fresh_start_and_says_so(word: str, tmp_path: Path) -> None:
    """Configurations of the ancestors have it; without the option nothing is said."""
    line = ["--checkpoint-folder", str(tmp_path / "run")]
    started = resume.plan(parse([*line, "--resume", word]), print)
    assert started.checkpoint is None and started.notes == ("--resume none: a fresh start, as without it",)
    assert not resume.plan(parse(line), print).notes


def test_every_way_out_that_is_printed_works(
    train: Train,
    tiny: list[str],
    tmp_path: Path,
    printed: Printed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of a fresh start over a run, another folder, and a lost record; with a path that a shell would run."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / ODD / "run"
    line = [*tiny, "--checkpoint-folder", run]
    assert train(*line, "--stop-after-step", 1) == 0
    assert train(*line) == 2
    printed(capsys.readouterr().err, "vision/engine/runs/resume.py:_fresh", "--stop-after-step", 2)
    other = tmp_path / ODD / "new"
    assert train("--resume", run, "--checkpoint-folder", other) == 2
    printed(capsys.readouterr().err, "vision/engine/runs/resume.py:_planned", *tiny, "--stop-after-step", 1)
    assert (other / "labels.txt").exists()
    (run / "checkpoints.json").unlink()
    assert train(*line, "--resume", "auto") == 1
    printed(capsys.readouterr().err, "vision/engine/runs/resume.py:_find", "--stop-after-step", 3)


def test_a_run_on_two_data_sets_resumes_from_another_folder(
    train: Train, miniature_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(miniature_root, "second")
    line = ["--datasets", miniature_root, "second", "--validation-dataset", "second", *TINY, "--epochs=1"]
    assert train(*line, "--checkpoint-folder=a") == 0
    assert train(*line, "--checkpoint-folder=b", "--stop-after-step=3") == 0
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert train("--resume", "../b") == 0
    assert end_state(tmp_path / "b")["step"] == 8, "32 images of both in steps of 4"
    assert_same_run(tmp_path / "b", tmp_path / "a")


def test_a_session_says_which_images_of_its_measure_are_learned(miniature_root: Path, tmp_path: Path) -> None:
    train, val = (CocoDetection(miniature_root, split) for split in ("train", "val"))
    plan = Plan(TrainConfig(datasets=(str(miniature_root),)), tmp_path, None, None, ())
    assert resume.check_data(plan, train, val).notes == ()
    (note,) = resume.check_data(plan, train, train).notes
    assert note.startswith(f"learned from, too: {len(train)} of {len(train)} measured images")
