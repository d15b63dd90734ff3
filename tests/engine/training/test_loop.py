"""The loop's own decisions: which epoch is the best, when to give up, when to save. What it calls is replaced."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.datasets.packed.test_detection import make
from tests.engine.tiny_runs import TINY, assert_same_run
from tests.printed import ODD, Printed
from vision.artefacts import log
from vision.engine.checkpoints.checkpoint import find, load
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.evaluation.kept import read_kept
from vision.engine.state import TrainState
from vision.engine.training import loop
from vision.engine.training.session import Session
from vision.images.packs import bus_error

Metrics = dict[str, float]


def epochs_of(run: Path) -> list[int]:
    return [row["epoch"] for row in log.read(run / "metrics.jsonl") if row["kind"] == "epoch"]


@pytest.fixture
def validations(monkeypatch: pytest.MonkeyPatch) -> list[Metrics]:
    """What validation finds, epoch by epoch, in the place of the real one."""
    found: list[Metrics] = []

    def of_epoch(state: TrainState, session: Session, take: Any) -> Metrics:
        return found[state.epoch]

    monkeypatch.setattr(loop, "_validated", of_epoch)
    return found


def test_the_best_is_that_of_map_and_patience_counts_from_it(
    tiny: list[str], train: Callable[..., int], validations: list[Metrics], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Losses that fall while AP does not, an equal AP, an epoch without AP; the run is resumed on the way."""
    validations += [
        {"AP": 0.1, "AP50": 0.2, "val_loss": 5.0},
        {"AP": 0.3, "AP50": 0.4, "val_loss": 5.5},  # better, though its loss is higher
        {"AP": 0.2, "AP50": 0.5, "val_loss": 1.0},  # not, though its loss is lower
        {"AP": 0.3, "AP50": 0.4, "val_loss": 5.4},  # better: as good by AP, lower loss; patience begins anew
        {"AP": 0.29, "AP50": 0.9, "val_loss": 0.5},
        {"val_loss": 0.1},  # no AP, no judgement: the best one has an AP
        {"AP": 0.3, "AP50": 0.4, "val_loss": 5.4},  # equal is not better
        {"AP": 0.9, "AP50": 0.9, "val_loss": 0.0},  # not reached
    ]
    run = tmp_path / "run"
    line = [*tiny, "--epochs=8", "--patience=2", "--keep-checkpoints=1", "--resume=auto"]
    assert train(*line, "--checkpoint-folder", run, "--stop-after-epoch=5") == 0
    assert load(find(run)).best | {"rank": None} == {
        "metric": "AP", "value": 0.3, "epoch": 3, "rank": None, "since": 1,
    }  # fmt: skip
    assert train(*line, "--checkpoint-folder", run) == 0
    assert "stopped early: no better validation 2 times (--patience 2)" in capsys.readouterr().out
    assert epochs_of(run) == [0, 1, 2, 3, 4, 5, 6]
    bests = [record for record in RunFolder(run).records() if record.best]
    assert [record.epoch for record in bests] == [0, 1, 3], "each was the best of its time"
    assert (run / bests[-1].file).is_file()


def test_the_first_map_is_better_than_any_loss(
    tiny: list[str], train: Callable[..., int], validations: list[Metrics], tmp_path: Path
) -> None:
    """Epochs before the first mAP are ranked by their loss, and no longer once there is one."""
    validations += [
        {"val_loss": 2.0},
        {"val_loss": 1.0},
        {"AP": 0.0, "AP50": 0.0, "val_loss": 9.0},
        {"val_loss": 0.5},
    ]
    run, best = tmp_path / "run", []
    for epoch in range(1, 5):
        line = [*tiny, "--checkpoint-folder", run, "--resume=auto", f"--stop-after-epoch={epoch}"]
        assert train(*line) == 0
        best.append((load(find(run)).best["metric"], load(find(run)).best["epoch"]))
    assert best == [("val_loss", 0), ("val_loss", 1), ("AP", 2), ("AP", 2)]


# ---------------------------------------------------------------- minutes


@dataclass
class Clock:
    """Stands still but for the steps, each of which takes ``step_s``."""

    step_s: float
    now_s: float = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        ("2.5", [(3, None), (4, 0), (7, None), (8, 1)]),  # 150 s to the second; an epoch's end begins anew
        ("0.8", [(1, None), (2, None), (3, None), (4, None), (4, 0), *((s, None) for s in (5, 6, 7, 8)), (8, 1)]),
        ("10", [(4, 0), (8, 1)]),
    ],
)  # fmt: skip
def test_minutes_between_checkpoints_within_an_epoch(
    minutes: str, expected: list[tuple[int, int | None]], tiny: list[str], train: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    clock, saved = Clock(step_s=50), []
    step, save = loop.train_step, loop.checkpoint.save

    def timed_step(*given: Any) -> dict[str, Any]:
        clock.now_s += clock.step_s
        return step(*given)

    def noted_save(
        state: TrainState, run: Any, facts: Any, metrics: Any, epoch: int | None, best: bool
    ) -> Any:
        saved.append((state.step, epoch))
        return save(state, run, facts, metrics, epoch, best)

    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=clock.monotonic))
    monkeypatch.setattr(loop, "train_step", timed_step)
    monkeypatch.setattr(loop.checkpoint, "save", noted_save)
    line = [*tiny, "--epochs=2", f"--save-every-minutes={minutes}", "--checkpoint-folder", tmp_path / "run"]
    assert train(*line) == 0
    assert saved == expected


def test_a_report_changes_no_bit_of_a_run(
    tiny: list[str], train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With detections kept and a page made, and without; what cannot be kept is a warning."""
    line = [*tiny, "--epochs=2", "--validation-map=true", "--panels-every=0"]
    assert train(*line, "--checkpoint-folder", tmp_path / "with", "--report=true") == 0
    said = capsys.readouterr().out
    assert f"report:    {tmp_path / 'with' / 'report.html'}" in said
    kept = read_kept(tmp_path / "with")
    best = [record for record in RunFolder(tmp_path / "with").records() if record.best][-1]
    assert kept is not None and kept[1].sha256 == best.sha256
    assert train(*line, "--checkpoint-folder", tmp_path / "without", "--no-report") == 0
    assert not (tmp_path / "without/report.html").exists() and read_kept(tmp_path / "without") is None
    assert_same_run(tmp_path / "with", tmp_path / "without")
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked/report").write_text("a file of somebody's")
    (tmp_path / "blocked/report.html").write_text("mine")
    assert train(*line, "--checkpoint-folder", tmp_path / "blocked", "--report=true") == 0
    said = capsys.readouterr().out
    assert "the detections of this validation are not kept" in said and "warning: no report: " in said
    assert (tmp_path / "blocked/report.html").read_text() == "mine"
    assert_same_run(tmp_path / "with", tmp_path / "blocked")


def test_a_pack_that_is_cut_between_two_epochs_is_named(
    miniature_root: Path, train: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], printed: Printed,
) -> None:  # fmt: skip
    """By its size, before anything is read: no SIGBUS, no image of zeros; once it is whole again the run ends as it would have."""
    root, whole, run = (tmp_path / ODD / name for name in ("root", "whole", "run"))
    pixels = make(Path(shutil.copytree(miniature_root, root)), "rgb-64") / "packs/train2017.rgb-64/pixels.bin"
    line = ["--datasets", root, *TINY, "--epochs=2", "--feed=rgb-64"]
    assert train(*line, "--checkpoint-folder", whole) == 0
    sound, finish, words = pixels.read_bytes(), loop.finish_epoch, list[str]()

    def cut(state: TrainState, session: Session) -> dict[str, Any]:
        row = finish(state, session)
        os.truncate(pixels, len(sound) - 1)
        return row

    monkeypatch.setattr(loop, "finish_epoch", cut)
    monkeypatch.setattr(bus_error, "told", lambda said: nullcontext(words.append(said)))
    assert train(*line, "--checkpoint-folder", run) == 1
    said = capsys.readouterr().err
    assert "cannot be used\n  why: pixels.bin has lost 1 byte since it was opened\n  fix: " in said
    assert "--format rgb --size 64 --force" in said
    monkeypatch.undo()
    pixels.write_bytes(sound)
    printed(
        words[0], "vision/engine/training/start.py:lost_pages_told"
    )  # what is said where nothing else can be: and resume
    assert_same_run(run, whole)
