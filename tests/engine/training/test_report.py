"""What a session says at its start and at its end: one and many, a missing GPU, what to type next."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from vision.datasets.loading import Loader
from vision.datasets.packed.threads import ThreadLoader
from vision.engine.checkpoints.checkpoint import find, load
from vision.engine.options.config import build
from vision.engine.training import report


def test_one_and_many(
    train: Callable[..., int], tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    line = [
        "--batch-size=1",
        "--workers=1",
        "--net=MB2_SSD_Lite",
        "--stop-after-step=1",
        "--checkpoint-folder",
        str(tmp_path / "run"),
    ]
    monkeypatch.setattr(report, "CORES", 0)
    assert train(*tiny, *line) == 0
    said = capsys.readouterr().out
    for words in ("16 training images, 8 validation images, 80 classes; 1 worker process on 0 cores\n", "1 image a step, 16 steps an epoch",
                  "1 CPU thread\n", "mb2-ssd-lite × 0.1, 64×64 px, ",
                  "note: --net MB2_SSD_Lite: taken as mb2-ssd-lite\n"):  # fmt: skip
        assert words in said, said
    assert json.loads((tmp_path / "run" / "training_args.json").read_bytes())["net"] == "mb2-ssd-lite"
    assert load(find(tmp_path / "run")).args["net"] == "mb2-ssd-lite"
    assert "stopped after step 1 as asked, and saved at step 1\n" in said
    assert f"resume:    python train_ssd.py --resume {tmp_path / 'run'}\n" in said


@pytest.mark.parametrize(
    ("loader", "workers", "said"),
    [(ThreadLoader, 2, "2 threads for the pack"), (Loader, 2, "2 worker processes"), (Loader, 0, "read in this process")],
)  # fmt: skip
def test_what_makes_the_batches(loader: type, workers: int, said: str) -> None:
    session = SimpleNamespace(train=object.__new__(loader), config=SimpleNamespace(workers=workers))
    assert report._fed_by(session) == said  # type: ignore[arg-type]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(("words", "told"), [(["--device=auto"], True), (["--device=cpu"], False)])
def test_a_missing_gpu_is_told_where_one_would_have_been_taken(
    train: Callable[..., int], tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    words: list[str], told: bool,
) -> None:  # fmt: skip
    assert train(*tiny, *words, "--stop-after-step=1", "--checkpoint-folder", str(tmp_path / "run")) == 0
    said = capsys.readouterr().out
    assert ("torch sees no GPU: python -m tools.doctor says why" in said) is told


def test_earlier_epochs_of_a_session_are_counted(
    train: Callable[..., int], tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(report, "SHOWN_EPOCHS", 1)
    run = tmp_path / "run"
    assert train(*tiny, "--epochs=2", "--checkpoint-folder", str(run)) == 0
    assert f"(1 earlier epoch of this session: {run / 'metrics.jsonl'})" in capsys.readouterr().out


def test_a_score_without_objects_is_a_dash() -> None:
    """APs where no object is small: COCO's −1 looks like a result."""
    assert [report._cell(value, ".3f") for value in (None, -1.0, 0.0, 0.25)] == ["–", "–", "0.000", "0.250"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "mb1-ssd"),
        ({"heads": "full"}, "mb1-ssd"),
        ({"heads": "lite"}, "mb1-ssd, lite heads"),
        ({"mb2_width_mult": 0.25, "heads": "lite"}, "mb1-ssd × 0.25, lite heads"),
    ],
)
def test_a_net_is_named_with_its_width_and_heads_where_they_are_not_its_own(
    options: dict[str, object], said: str
) -> None:
    assert report._named(build({"net": "mb1-ssd", **options})) == said


def test_a_validation_that_is_left_is_not_called_nothing(
    train: Callable[..., int], tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped behind the last step: the resume validates and says so, the next one has nothing to do."""
    run, left = tmp_path / "run", "only the validation of the last epoch is missing and runs now"
    assert train(*tiny, "--epochs=1", "--stop-after-step=4", "--checkpoint-folder", run) == 0
    told = []
    for more in (["--stop-after-step=4"], [], []):
        capsys.readouterr()
        assert train("--resume", run, *more) == 0
        said = capsys.readouterr().out
        told.append((left in said, "epoch 0 done" in said, "nothing to do" in said))
    assert told == [(False, False, False), (True, True, False), (False, False, True)]
