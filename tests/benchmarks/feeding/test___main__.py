"""The benchmark goes through every way that it promises, on a handful of images."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import ops

from benchmarks import results
from benchmarks.feeding import __main__ as feeding
from benchmarks.feeding import rivals
from tests.datasets.packed.test_detection import make


def test_a_row_for_every_way(
    miniature_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make(Path(shutil.copytree(miniature_root, tmp_path / "root")), "yuv420-64", "jpeg-64")
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    assert feeding.main(["--datasets", str(root), "--rounds", "1", "--images", "3", "--workers", "1"]) == 0
    (file,) = (tmp_path / "results").iterdir()
    text = file.read_text()
    assert text.partition("\n\n")[2].strip() in capsys.readouterr().out
    rows = re.findall(r"^\| (.+?) \| [\d,]+ \|", text, re.MULTILINE)
    assert rows[0] == feeding.ANCESTOR and rows[4] == "--feed jpeg"
    assert rows[5:9] == [
        "--feed jpeg-64",
        "gather alone, jpeg-64",
        "--feed yuv420-64",
        "gather alone, yuv420-64",
    ]
    assert rows[9:11] == ["jpeg-64", "yuv420-64"] and " dB (" in text
    assert rows[11:] == [
        feeding.ANCESTOR,
        feeding.EACH,
        feeding.ONCE,
        *("--feed " + name for name in ("jpeg", "jpeg-64", "yuv420-64")),
    ]


def test_priors_learn_what_overlaps_and_each_object_has_one() -> None:
    match = rivals.Matching()
    boxes, labels = torch.tensor([[0.1, 0.1, 0.6, 0.7], [0.5, 0.5, 0.501, 0.501]]), torch.tensor([3, 7])
    offsets, learned = match(boxes, labels)
    assert {0, 3, 7} == set(learned.tolist()) and (learned == 7).sum() == 1
    iou = ops.box_iou(match.corners, boxes)
    assert torch.equal(
        learned == 3, ((iou[:, 0] > 0.5 - 1e-4) & (learned != 7)) | (iou[:, 0] == iou[:, 0].max())
    )
    own = learned == 3
    centres = offsets[own, :2] * 0.1 * match.sides[own] + match.centres[own]
    torch.testing.assert_close(centres, torch.tensor([[0.35, 0.4]]).expand_as(centres))


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
