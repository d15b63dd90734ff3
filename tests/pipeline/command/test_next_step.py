"""What is printed in the end works in that situation: with both splits, with one, with data of one's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.command import next_step
from pipeline.stage import Choices, Settings
from tests.faults.harness import REPOSITORY
from tests.printed import ODD, Printed
from tools.demo import mirror
from vision.engine.options.config import parse
from vision.messages.advice import shown


def test_of_val_alone_both_printed_commands_work(
    miniature_release: Path, tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after setup_coco.sh --sample."""
    root, table = tmp_path / ODD, str(miniature_release / "release.json")
    with mirror(miniature_release) as url:
        words = ["--release", table, "--mirror", url, "--workers", "1"]
        assert main(["run", "--root", str(root), "--splits", "val", *words]) == 0
        said = capsys.readouterr().out
        assert "train_ssd.py" not in said
        printed(said, "pipeline/command/next_step.py:after_all#2")
        assert "rows" in capsys.readouterr().out
        printed(said, "pipeline/command/next_step.py:after_all", "--workers", "1")
    assert "next: python train_ssd.py " in capsys.readouterr().out


COCO = "pipeline/command/next_step.py:_training#2"
SMALL = "pipeline/command/next_step.py:_training"


@pytest.mark.parametrize(("limit", "gpu", "sites"), [
    (10_000, False, [SMALL]), (10_000, True, [SMALL]), (16, False, [COCO, SMALL]), (16, True, [COCO]),
])  # fmt: skip
def test_with_both_splits_the_printed_command_trains(
    limit: int, gpu: bool, sites: list[str], miniature_root: Path, tmp_path: Path, printed: Printed,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """By the recipe for what is there, which stands in the repository; with fewer steps of a smaller net."""
    monkeypatch.setattr(next_step, "GPUS", [tmp_path if gpu else tmp_path / "none"])
    monkeypatch.setattr(next_step, "SMALL", limit)
    root = tmp_path / ODD
    root.symlink_to(miniature_root)
    monkeypatch.chdir(REPOSITORY)
    assert main(["run", "--root", str(root), "--workers", "1"]) == 0
    small = [
        "--resolution=64",
        "--mb2-width-mult=0.1",
        "--batch-size=4",
    ]
    small += ["--workers=0", "--device=cpu", "--threads=1", "--stop-after-step=1", "--amp=off"]
    said = capsys.readouterr().out
    assert said.count("train_ssd.py") == len(sites)
    for site in sites:
        run = tmp_path / site[-2:]
        line = printed(said, site, *small, f"--checkpoint-folder={run}")
        assert (run / "labels.txt").is_file()
        assert ("--device auto" in line, "--epochs 500" in line) == (
            (gpu, True) if site == SMALL else (False, False)
        )


def test_the_recipe_for_few_images_is_what_is_counted_with() -> None:
    told = parse(["--config", str(REPOSITORY / next_step.SMALL_RECIPE)]).config
    assert (told.batch_size, told.epochs) == (next_step.SMALL_BATCH, next_step.SMALL_EPOCHS)
    assert told.warmup_steps < next_step.LEAST_STEPS / 2


@pytest.mark.parametrize("classes", [True, False])
def test_a_split_without_boxes_is_no_training_and_the_printed_command_leads_there(
    classes: bool, miniature_root: Path, tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A named class that no image has; and an annotation file of one's own without annotations."""
    monkeypatch.chdir(tmp_path)
    root, name = tmp_path / ODD, "annotations/instances_train2017.json"
    for split in ("train", "val"):
        shutil.copytree(miniature_root / f"{split}2017", root / f"{split}2017")
        (root / "annotations").mkdir(exist_ok=True)
        shutil.copy(miniature_root / f"annotations/instances_{split}2017.json", root / "annotations")
    before = json.loads((root / name).read_text())
    present = {one["category_id"] for one in before["annotations"]}
    absent = next(one["name"] for one in before["categories"] if one["id"] not in present)
    if not classes:
        (root / name).write_text(json.dumps({**before, "annotations": []}))
    words = ["run", "--root", str(root), "--workers", "1", "--from", "validate_images"]
    assert main([*words, "--classes", absent] if classes else words) == 0
    said = capsys.readouterr().out
    assert "train_ssd.py" not in said and "training needs boxes, and train" in said
    assert ("--classes all" in said, f"put boxes into {shown(root / name)}" in said) == (classes, not classes)
    (root / name).write_text(json.dumps(before))
    printed(said, "pipeline/command/next_step.py:_for_boxes", "--workers", "1")
    assert "next: python train_ssd.py " in capsys.readouterr().out


def test_of_ones_own_it_says_what_to_put_where() -> None:
    lines = next_step.after_all(Settings(Path("r"), Choices(("train",), own=True)))
    assert lines[0].startswith(
        "training needs train and val: put r/val2017 and r/annotations/instances_val2017.json"
    )
    assert lines[1].startswith("next: python -m pipeline.index query")
