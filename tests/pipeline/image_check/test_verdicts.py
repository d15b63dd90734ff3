"""The table of verdicts as the later stages read it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from pipeline.image_check.verdicts import read_verdicts
from pipeline.stage import StageError
from vision.artefacts.data_layout import IMAGE_REPORT

ROW = {
    "split": "val", "image_id": 7, "file_name": "a.jpg", "verdict": "convert", "reason": "exif_upright: …",
    "width": 48, "height": 64,
}  # fmt: skip


def table(folder: Path, **more: Any) -> Path:
    path = folder / "images.jsonl"
    path.write_text(json.dumps(ROW | more) + "\n", encoding="utf-8")
    return path


def test_the_orientation_that_is_applied(tmp_path: Path) -> None:
    assert read_verdicts(table(tmp_path), ("val",))["val"][7].orientation == 1
    assert read_verdicts(table(tmp_path, orientation=6), ("val",))["val"][7].orientation == 6


@pytest.mark.parametrize("value", [0, 9, -1, "6", 6.0, True, None, [6]])
def test_one_that_there_is_not_makes_the_table_damaged(tmp_path: Path, value: Any) -> None:
    with pytest.raises(StageError, match=r"is damaged: orientation .* of image 7"):
        read_verdicts(table(tmp_path, orientation=value), ("val",))


@pytest.mark.parametrize("damaged", [False, True])
def test_without_a_table_the_command_that_makes_it_is_named(tmp_path: Path, damaged: bool) -> None:
    root = tmp_path / "a b$(touch X)"
    (root / "report").mkdir(parents=True)
    if damaged:
        table(root / "report", orientation="x")
    with pytest.raises(StageError) as refused:
        read_verdicts(root / IMAGE_REPORT, ("val",))
    words = shlex.split(str(refused.value).split("  fix: ")[1])
    assert words == ["python", "-m", "pipeline.validate_images", "--root", str(root)]
