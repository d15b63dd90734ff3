"""The benchmark goes through every way that it promises, on a handful of images."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks import results
from benchmarks.feeding import __main__ as feeding
from benchmarks.feeding import rivals
from tests.datasets.packed.test_detection import make


def test_a_row_for_every_way(
    miniature_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make(Path(shutil.copytree(miniature_root, tmp_path / "root")), "yuv420-64", "jpeg-64")
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    assert feeding.main(["--datasets", str(root), "--rounds", "1", "--images", "3"]) == 0
    (file,) = (tmp_path / "results").iterdir()
    text = file.read_text()
    assert text.partition("\n\n")[2].strip() in capsys.readouterr().out
    rows = re.findall(r"^\| (.+?) \| [\d,]+ \|", text, re.MULTILINE)
    assert rows[0] == feeding.ANCESTOR and rows[3] == "--feed jpeg"
    assert rows[4:8] == [
        "--feed jpeg-64",
        "gather alone, jpeg-64",
        "--feed yuv420-64",
        "gather alone, yuv420-64",
    ]
    assert rows[8:] == ["jpeg-64", "yuv420-64"] and " dB (" in text


def test_the_rivals_keep_boxes_inside() -> None:
    draw = np.random.default_rng(0)
    boxes = np.array([[10, 10, 40, 50], [60, 20, 90, 80]], np.float32)
    for _ in range(20):
        image, kept, labels = rivals._cropped(
            np.zeros((100, 100, 3), np.float32), boxes, np.array([1, 2]), draw
        )
        height, width = image.shape[:2]
        assert (
            len(kept) == len(labels) > 0
            and (kept >= 0).all()
            and (kept <= [width, height, width, height]).all()
        )
    assert rivals._iou(boxes, boxes).round(3).tolist() == [[1, 0], [0, 1]]
