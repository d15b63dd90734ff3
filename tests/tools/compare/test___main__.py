"""tools.compare: what differs, and which differences are more than chance."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.engine.analysis.made import drawn
from tests.printed import ODD, Printed
from tools.compare.__main__ import main
from tools.compare.paired import differences
from vision.datasets.coco import CocoDetection
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.evaluation import coco_map
from vision.engine.evaluation.ground_truth import ground_truth_of
from vision.engine.evaluation.kept import KEPT, KeptFacts, keep, read_kept
from vision.engine.evaluation.results import from_xyxy_px


@pytest.fixture
def runs(small_run: Path, miniature_root: Path, tmp_path: Path) -> list[Path]:
    """Three runs of the same data: one that finds much, the same again, one that finds boxes far from right."""
    data, made = CocoDetection(miniature_root, "val"), []
    truth = ground_truth_of(data)
    for name, spread in ((ODD, 2.0), ("same", 2.0), ("worse", 20.0)):
        run = Path(shutil.copytree(small_run, tmp_path / name))
        xywh = truth.boxes_xywh_px + np.random.default_rng(0).normal(0, spread, truth.boxes_xywh_px.shape)
        corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:].clip(2)], axis=1)
        scores = np.random.default_rng(1).beta(4, 2, len(xywh))
        record = RunFolder(run).records()[-1]
        facts = KeptFacts(record.file, record.sha256, 0, record.step, data.digest, len(data))
        keep(run, from_xyxy_px(truth.box_image_ids, truth.category_ids, corners, scores), facts)
        made.append(run)
    arguments = json.loads((made[2] / "training_args.json").read_text())
    (made[2] / "training_args.json").write_text(json.dumps(arguments | {"lr": 0.5}))
    return made


def test_runs_side_by_side(runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "side.html"
    assert main([*map(str, runs), "--html", str(page)]) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert lines[0].split()[:3] == ["arguments", "that", "differ"]
    assert [line.split()[0] for line in lines[1 : lines.index("")]] == ["lr"]
    assert f"same beside {ODD}: AP +0.000, 95 % +0.000 to +0.000: no clear difference" in said
    (worse,) = (line for line in lines if line.startswith("worse beside"))
    assert "AP -" in worse and worse.endswith("worse on other images, too")
    text = page.read_text()
    assert (
        "Arguments that differ" in text and "<polyline" not in text and "worse on other images, too" in text
    )
    page.write_text("mine")
    assert main([*map(str, runs), "--html", str(page)]) == 1 and page.read_text() == "mine"


def test_one_run_is_a_mistake(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([str(runs[0])])
    assert left.value.code == 2 and "two runs or more" in capsys.readouterr().err


def test_without_detections_the_numbers_are_compared(
    runs: list[Path], printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs[0] / KEPT).unlink()
    assert main([str(runs[1]), str(runs[0])]) == 0
    said = capsys.readouterr().out
    assert "best checkpoint" in said and "no detections of the best checkpoint are kept" in said
    printed(said, "tools/compare/__main__.py:_pairs", "--workers=0", "--device=cpu")
    capsys.readouterr()
    assert main([str(runs[1]), str(runs[0])]) == 0
    assert "no comparison image by image" not in capsys.readouterr().out


def test_other_images_are_said(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    results, facts = read_kept(runs[1]) or (None, None)
    keep(runs[1], results, dataclasses.replace(facts, dataset_digest="0" * 64))  # type: ignore[arg-type,type-var]
    assert main([str(runs[0]), str(runs[1])]) == 0
    assert "no comparison image by image: the runs were validated on other images" in capsys.readouterr().out
    assert main([str(runs[1]), str(runs[1])]) == 0
    assert "the data there now are not those" in capsys.readouterr().out


def test_data_that_were_moved(
    runs: list[Path],
    miniature_root: Path,
    tmp_path: Path,
    printed: Printed,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = json.loads((runs[0] / "training_args.json").read_text())
    (runs[0] / "training_args.json").write_text(
        json.dumps(arguments | {"datasets": [str(tmp_path / "gone")]})
    )
    assert main([str(runs[0]), str(runs[1])]) == 1
    printed(capsys.readouterr().err, "tools/compare/__main__.py:_pairs#2", fill={"FOLDER": miniature_root})


def test_differences_are_those_of_two_scores_and_the_same_images_are_drawn_for_both() -> None:
    results, truth = drawn(1, images=25)
    fewer = dataclasses.replace(results, scores=results.scores.copy())
    rng = np.random.default_rng(0)
    fewer.boxes_xywh_px[:] += rng.normal(0, 1, fewer.boxes_xywh_px.shape)
    results, _ = drawn(1, images=25)
    (rows,) = differences([results, fewer], truth)
    first, other = (coco_map.score(each, truth, "pycocotools") for each in (results, fewer))
    assert (rows[0].first, rows[0].other) == pytest.approx(
        (first.metrics["AP"], other.metrics["AP"]), abs=1e-12
    )
    by_name = {row.name: row.ap for row in other.per_class}
    assert all(row.other == pytest.approx(by_name[row.name], abs=1e-12) for row in rows[1:])
    assert rows[0].low < rows[0].gain < rows[0].high
    alone = [row for row in differences([results, results], truth)[0]]
    assert all((row.gain, row.low, row.high) == (0, 0, 0) and not row.is_more_than_chance for row in alone)
