"""Where a run's images come from is settled once; resume from a pack is exact."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.datasets.packed.test_detection import make
from tests.engine.tiny_runs import TINY, assert_same_run
from vision.engine.options.config import TrainConfig
from vision.engine.runs.plan import Plan, settle_feed

Train = Callable[..., int]


@pytest.fixture(scope="module")
def packed(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packed") / "root"
    shutil.copytree(miniature_root, root)
    return make(root, "yuv420-96")


@pytest.mark.parametrize(
    ("asked", "before", "name"),
    [
        ("auto", None, "yuv420-96"), ("jpeg", None, "jpeg"), ("pack", None, "yuv420-96"),
        ("auto", "jpeg", "jpeg"), ("auto", "auto", "jpeg"), ("auto", "yuv420-96", "yuv420-96"), ("jpeg", "yuv420-96", "jpeg"),
    ],
)  # fmt: skip
def test_auto_is_on_resume_what_the_run_has(asked: str, before: str | None, name: str, packed: Path) -> None:
    config = TrainConfig(datasets=(str(packed),), feed=asked)
    checkpoint = SimpleNamespace(config=TrainConfig(feed=before)) if before else None
    plan = settle_feed(Plan(config, packed, checkpoint, None, ("first",)))  # type: ignore[arg-type]
    assert plan.config.feed == name
    changed = name != ("jpeg" if before == "auto" else before)
    assert [note.partition(":")[0] for note in plan.notes] == ["first", "images"][: 1 + changed]


def test_resume_from_a_pack_is_exact_and_another_feed_is_named(
    packed: Path, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--datasets", packed, *TINY, "--epochs=2"]
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert train(*line, "--checkpoint-folder", whole) == 0
    assert "the pack yuv420-96 in place of the image files: it is there" in capsys.readouterr().out
    assert train(*line, "--checkpoint-folder", run, "--stop-after-step", 3, "--workers", 1) == 0
    assert json.loads((run / "training_args.json").read_text())["feed"] == "yuv420-96"
    other = shutil.copytree(run, tmp_path / "other")
    assert train("--resume", run) == 0
    assert_same_run(run, whole)
    capsys.readouterr()
    assert train("--resume", other, "--feed", "jpeg", "--stop-after-step", 4) == 0
    assert "--feed: yuv420-96 → jpeg (changes the training from here on)" in capsys.readouterr().out
    assert train("--resume", other, "--feed", "rgb-96") == 1
    assert "packs/train2017.rgb-96 cannot be used" in capsys.readouterr().err
