"""Logs that were lost while the checkpoint is good: named in a line, made again where they can be."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.tiny_runs import TINY, seen_in_tensorboard, step_rows
from vision.artefacts import log
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.distributed import Group
from vision.engine.runs import metric_logger as board
from vision.engine.runs.truncate_logs import ranges, truncate_logs

Train = Callable[..., int]
LEFTOVER = ".tmp-0123456789ab-COMBO_CHECKPOINT_mb2-ssd-lite-Step-9.pth"


@pytest.fixture(scope="module")
def original(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole epoch of 4 steps and one step of the next."""
    from train_ssd import main

    run, threads = tmp_path_factory.mktemp("rewind") / "run", torch.get_num_threads()
    line = ["--datasets", str(miniature_root), *TINY, "--checkpoint-folder", str(run)]
    assert main([*line, "--stop-after-step", "5"]) == 0
    torch.set_num_threads(threads)
    return run


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "run"))


def scalars_in_tensorboard(run: Path) -> dict[tuple[str, int], list[float]]:
    """(tag, step) → its values."""
    found: dict[tuple[str, int], list[float]] = {}
    shown = seen_in_tensorboard(run)
    for tag in shown.Tags()["scalars"]:
        for event in shown.Scalars(tag):
            found.setdefault((tag, event.step), []).append(event.value)
    return found


def lines(run: Path) -> list[bytes]:
    return (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)


def without(key: str) -> Callable[[Path], None]:
    """The third row loses a key."""

    def damage(run: Path) -> None:
        rows = lines(run)
        row = json.loads(rows[2])
        del row[key]
        rows[2] = json.dumps(row).encode() + b"\n"
        (run / "metrics.jsonl").write_bytes(b"".join(rows))

    return damage


def cut(run: Path) -> None:
    (run / "metrics.jsonl").write_bytes(b"".join(lines(run)[:2]) + lines(run)[2][:20])


def zeroed(run: Path) -> None:
    rows = lines(run)
    rows[1] = bytes(len(rows[1]))  # with its line break: one line with the next
    (run / "metrics.jsonl").write_bytes(b"".join(rows))


def gone(run: Path) -> None:
    (run / "metrics.jsonl").unlink()


@pytest.mark.parametrize(
    ("damage", "said", "moved"),
    [
        (without("step"), "lacks steps 3;", 1),
        (without("kind"), "lacks steps 3;", 1),
        (without("rate"), "lacks steps 3;", 1),
        (cut, "lacks steps 3–5 and epochs 0;", 0),
        (zeroed, "lacks steps 2–3;", 1),
        (gone, "lacks steps 1–5 and epochs 0;", 0),
    ],
    ids=["no step", "no kind", "no rate", "cut", "zeroed", "gone"],
)
def test_lost_rows_are_named_and_training_goes_on(
    damage: Callable[[Path], None],
    said: str,
    moved: int,
    run: Path,
    train: Train,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(run)
    assert train("--resume", run, "--stop-after-step", 6) == 0
    told = capsys.readouterr().out
    assert f"note: {run / 'metrics.jsonl'} {said}" in told, told
    steps = [row["step"] for row in step_rows(run)]
    assert steps == sorted(set(steps)) and steps[-1] == 6
    aside = run / "metrics.damaged.1.jsonl"
    assert (len(aside.read_bytes().splitlines()) if aside.exists() else 0) == moved
    assert ("moved to metrics.damaged.1.jsonl" in told) == bool(moved)


def torn_events(run: Path) -> None:
    """A record that a kill cut short."""
    with board.event_files(run)[0].open("ab") as stream:
        stream.write(bytes.fromhex("2800000000000000 11111111 0102"))


def no_events(run: Path) -> None:
    board.event_files(run)[0].unlink()


@pytest.mark.parametrize("damage", [torn_events, no_events])
def test_tensorboard_shows_all_of_it(
    damage: Callable[[Path], None], original: Path, run: Path, train: Train
) -> None:
    before = scalars_in_tensorboard(original)
    damage(run)
    assert train("--resume", run, "--stop-after-step", 6) == 0
    after = scalars_in_tensorboard(run)
    assert {key: values for key, values in after.items() if key[1] <= 5} == before
    assert len(after[("loss_by_step/total", 6)]) == 1


def test_tensorboard_shows_steps_once_from_the_checkpoint_on(tmp_path: Path) -> None:
    row = {"epoch": 0, "rate": {"heads": 0.1}}
    for first, steps in ((0, 5), (3, 4)):
        logger = board.MetricLogger(tmp_path, first, epoch_finished=first > 0)
        for step in range(first + 1, steps + 1):
            logger.step({**row, "step": step, "loss": float(first)})
        logger.close()
    found = scalars_in_tensorboard(tmp_path)
    assert [found.get(("loss_by_step/total", step)) for step in range(1, 6)] == [
        [0.0],
        [0.0],
        [0.0],
        [3.0],
        None,
    ]


def test_the_logs_are_on_the_disk_before_the_checkpoint_that_contains_them(
    train: Train, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[int, int] = {}  # bytes by inode
    published = []

    def sync(descriptor: int) -> None:
        facts = os.fstat(descriptor)
        synced[facts.st_ino] = facts.st_size
        fsync(descriptor)

    def publish(run: RunFolder, name: str, data: bytes, **facts: Any) -> Any:
        (events,) = board.event_files(run.path)
        assert synced[events.stat().st_ino] == events.stat().st_size
        logged = [step for tag, step in scalars_in_tensorboard(run.path) if tag == "loss_by_step/total"]
        assert logged == list(range(1, facts["step"] + 1))
        published.append(facts["step"])
        return really_publish(run, name, data, **facts)

    fsync, really_publish = os.fsync, RunFolder.publish
    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(RunFolder, "publish", publish)
    line = [*tiny, "--checkpoint-folder", tmp_path / "run", "--save-every-steps", 2, "--stop-after-step", 5]
    assert train(*line) == 0
    assert published == [2, 4, 4, 5]


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([3], "3"),
        ([1, 2, 3, 7, 9, 10], "1–3, 7, 9–10"),
        (range(0, 20, 2), "0, 2, 4, 6, 8, …"),
    ],
)
def test_ranges_are_short(numbers: list[int], words: str) -> None:
    assert ranges(numbers) == words


# ---------------------------------------------------------------- what a kill while saving leaves


def test_unfinished_files_of_a_killed_session_are_removed(
    run: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / LEFTOVER).write_bytes(b"half a checkpoint")
    (run / ".tmp-of-somebody-else").write_bytes(b"")
    before = {path.name for path in run.iterdir()} - {LEFTOVER}
    assert train("--resume", run, "--stop-after-step", 5) == 0
    assert not (run / LEFTOVER).exists() and before <= {path.name for path in run.iterdir()}
    assert "removed 1 unfinished file of a killed session" in capsys.readouterr().out


def test_also_where_a_run_was_killed_before_its_first_checkpoint(
    train: Train, tiny: list[str], tmp_path: Path
) -> None:
    (tmp_path / LEFTOVER).write_bytes(b"half a checkpoint")
    line = [*tiny, "--checkpoint-folder", tmp_path, "--resume", "auto", "--stop-after-step", 1]
    assert train(*line) == 0
    assert not (tmp_path / LEFTOVER).exists()


def test_only_the_first_process_touches_the_folder(
    run: Path, train: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (run / LEFTOVER).write_bytes(b"the first process writes it")
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    first = next(record.file for record in RunFolder(run).records())
    monkeypatch.setattr(Group, "is_main", False)
    assert train("--resume", run / first, "--stop-after-epoch", 2) == 0
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


@pytest.mark.parametrize("epoch_finished", [False, True])
def test_the_cut_is_right_behind_the_checkpoint(tmp_path: Path, epoch_finished: bool) -> None:
    """At step 4, the last of epoch 0: its step is in the checkpoint, its epoch's row where that was finished."""
    rows = [{"kind": "step", "step": step, "epoch": (step - 1) // 4, "rate": {}} for step in range(1, 7)]
    rows.insert(4, {"kind": "epoch", "step": 4, "epoch": 0})
    (tmp_path / "metrics.jsonl").write_bytes(b"".join(map(log.line, rows)))
    (tmp_path / "events.out.tfevents.1.x").touch()
    truncate_logs(tmp_path, 4, int(epoch_finished), epoch_finished)
    kept = 5 if epoch_finished else 4
    assert list(log.read(tmp_path / "metrics.jsonl")) == rows[:kept]
    assert list(log.read(tmp_path / "metrics.1.jsonl")) == rows[kept:]
