"""The room that a session needs is asked for before its first step, and is about what it takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from vision.artefacts import writable
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.options.config import TrainConfig
from vision.engine.runs import disk

Train = Callable[..., int]


@pytest.mark.parametrize(
    "words", [("--optim-choose=SGD", "--ema=0.9"), ("--optim-choose=Adam", "--ema=0", "--amsgrad")]
)
def test_the_size_of_a_checkpoint_is_told_beforehand(
    words: tuple[str, ...], train: Train, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    real = disk.checkpoint_bytes
    monkeypatch.setattr(disk, "checkpoint_bytes", lambda *a: told.append(real(*a)) or told[-1])
    run = tmp_path / "run"
    assert train(*tiny, *words, "--checkpoint-folder", run, "--stop-after-step=2") == 0
    (size,) = [record.bytes for record in RunFolder(run).records()]
    assert 0.95 * size < told[0] < 1.15 * size
    logs = sum(path.stat().st_size for path in run.iterdir() if path.name.startswith(("metrics", "events")))
    assert logs < 2 * disk.BYTES_A_STEP + disk.BYTES_A_SESSION


def test_too_little_room_is_three_lines_before_the_first_step(
    train: Train,
    tiny: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(writable, "free_bytes", lambda folder: 1_000_000)
    run = tmp_path / "run"
    assert train(*tiny, "--checkpoint-folder", run) == 1
    what, why, fix = capsys.readouterr().err.splitlines()
    assert what == f"train_ssd.py: not enough space in {run}"
    assert "checkpoints of about" in why and why.endswith("1,000,000 are free") and fix.startswith("  fix: ")
    assert not (run / "metrics.jsonl").exists() and not list(run.glob("*.pth"))
    monkeypatch.undo()
    assert train(*tiny, "--checkpoint-folder", run, "--stop-after-step=1") == 0


def test_how_many_files_there_are_at_most() -> None:
    def most(epochs_left: int, **changes: object) -> int:
        return disk.most_files(dataclasses.replace(TrainConfig(), **changes), epochs_left)  # type: ignore[arg-type]

    assert most(100) == 6 and most(2) == 3 and most(100, keep_checkpoints=1) == 3
    assert most(100, keep_checkpoints=0) == 101 and most(100, save_every_steps=10) == 8


def test_what_is_there_already_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(disk, "require_writable", lambda folder, needed, what: asked.append(needed))
    monkeypatch.setattr(disk, "checkpoint_bytes", lambda *_: 1000)
    config = dataclasses.replace(TrainConfig(), epochs=100, panels_every=0)
    later = [SimpleNamespace(pruned=False, step=8)]  # than what is resumed: it will be moved aside
    for there in (0, 4, 50):
        records = [SimpleNamespace(pruned=False, step=7)] * there + later
        run = SimpleNamespace(path=None, records=lambda records=records: records)
        disk.require_room(run, SimpleNamespace(epoch=90, step=7), config, 0)  # type: ignore[arg-type]
    assert [bytes_ - disk.BYTES_A_SESSION for bytes_ in asked] == [7000, 3000, 1000]


def test_panels_are_counted_by_how_often_they_are_drawn() -> None:
    def room(epochs_left: int, every: int) -> int:
        return disk.panel_bytes(dataclasses.replace(TrainConfig(), panels_every=every), epochs_left)

    files, events = disk.BYTES_OF_PANELS
    assert room(100, 0) == 0 and room(100, 10) == files + 13 * events and room(100, 1) == files + 103 * events
