"""Where a run's images come from is settled once; resume from a pack is exact."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.datasets.packed.test_detection import make
from tests.engine.tiny_runs import TINY, assert_same_run
from vision.engine.options.config import TrainConfig
from vision.engine.runs.plan import Plan, settle_feed

Train = Callable[..., int]
DEVICE = "device:yuv420-96"


@pytest.fixture(scope="module")
def packed(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packed") / "root"
    shutil.copytree(miniature_root, root)
    return make(root, "yuv420-96")


@pytest.fixture(scope="module")
def several(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("several") / "root"
    shutil.copytree(miniature_root, root)
    return make(root, "yuv420-64", "rgb-64", "jpeg-64", "grey-64")


@pytest.mark.parametrize(
    ("asked", "before", "device", "name"),
    [
        ("auto", None, "cpu", "yuv420-96"), ("jpeg", None, "cpu", "jpeg"), ("pack", None, "cuda", "yuv420-96"),
        ("auto", "jpeg", "cpu", "jpeg"), ("auto", "auto", "cuda", "jpeg"), ("auto", "yuv420-96", "cuda", "yuv420-96"),
        ("jpeg", "yuv420-96", "cpu", "jpeg"), ("auto", None, "cuda", DEVICE), ("auto", DEVICE, "cpu", DEVICE),
        ("device", "yuv420-96", "cpu", DEVICE), ("yuv420-96", DEVICE, "cuda", "yuv420-96"),
    ],
)  # fmt: skip
def test_auto_is_on_resume_what_the_run_has(
    asked: str, before: str | None, device: str, name: str, packed: Path
) -> None:
    config = TrainConfig(datasets=(str(packed),), feed=asked, resolution=(96,))
    checkpoint = SimpleNamespace(config=TrainConfig(feed=before)) if before else None
    plan = settle_feed(Plan(config, packed, checkpoint, None, ("first",)), torch.device(device))  # type: ignore[arg-type]
    assert plan.config.feed == name
    before = "jpeg" if before == "auto" else before
    said = ["images", *(["--feed"] if before else [])] if name != before else []
    assert [note.partition(":")[0] for note in plan.notes] == ["first", *said]


@pytest.mark.parametrize(
    ("asked", "px", "told"),
    [("auto", 97, True), ("yuv420-96", 300, True), ("auto", 96, False), ("jpeg", 300, False)],
)
def test_a_pack_smaller_than_the_net_is_told(asked: str, px: int, told: bool, packed: Path) -> None:
    config = TrainConfig(datasets=(str(packed),), feed=asked, resolution=(px,))
    plan = settle_feed(Plan(config, packed, None, None, ()), torch.device("cpu"))
    assert any(f"the pack is 96 px, and the net looks at {px}" in note for note in plan.notes) == told


@pytest.mark.parametrize(
    "name",
    [
        "jpeg",
        "jpeg-64",
        "yuv420-64",
        "rgb-64",
        "grey-64",
        "device:yuv420-64",
        "device:rgb-64",
        "device:grey-64",
    ],
)
def test_resume_is_exact_whatever_feeds_the_run(
    name: str, several: Path, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped in the middle of an epoch, resumed in the middle of the next, by other numbers of workers, each another loader's."""
    line = [
        "--datasets",
        several,
        *TINY,
        "--epochs=2",
        f"--channels={1 if 'grey' in name else 3}",
        "--feed",
        name,
    ]
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert train(*line, "--checkpoint-folder", whole) == 0
    said = f"made on cpu from {name.removeprefix('device:')}: "
    assert (said in capsys.readouterr().out) == ("device" in name)
    threads = "threads" if "-" in name and "device" not in name else "worker processes"
    assert train(*line, "--checkpoint-folder", run, "--stop-after-step", 3, "--workers", 2) == 0
    assert f"; 2 {threads}" in capsys.readouterr().out
    assert json.loads((run / "training_args.json").read_text())["feed"] == name
    assert train("--resume", run, "--stop-after-step", 6, "--workers", 1) == 0
    assert train("--resume", run, "--workers", 0) == 0
    assert_same_run(run, whole)


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
    assert train("--resume", other, "--feed", "device", "--stop-after-step", 5) == 0
    said = capsys.readouterr().out
    assert "made into images on the device: as --feed device says" in said
    assert f"--feed: jpeg → {DEVICE}: the same images, windows, colours and boxes; pixels" in said
    assert train("--resume", other, "--feed", "rgb-96") == 1
    assert "packs/train2017.rgb-96 cannot be used" in capsys.readouterr().err
