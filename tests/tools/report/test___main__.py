"""tools.report: what is kept is used, what is not is predicted once, nothing of others is run or replaced."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.printed import ODD, Printed
from tools.report import __main__ as command
from tools.report import thumbnails
from vision.artefacts import log
from vision.datasets.coco import CocoDetection
from vision.engine.analysis.analyse import analyse
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.evaluation import predict
from vision.engine.evaluation.ground_truth import ground_truth_of
from vision.engine.evaluation.kept import KEPT, KeptFacts, keep, read_kept
from vision.engine.evaluation.results import Results, from_xyxy_px
from vision.messages.advice import UserError


def nearly_right(data: CocoDetection) -> Results:
    """The true boxes a little beside themselves, and one wrong name in five."""
    truth, rng = ground_truth_of(data), np.random.default_rng(0)
    xywh = truth.boxes_xywh_px + rng.normal(0, 3, truth.boxes_xywh_px.shape)
    names = np.where(rng.random(len(xywh)) < 0.8, truth.category_ids, rng.permutation(truth.category_ids))
    corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:].clip(2)], axis=1)
    return from_xyxy_px(truth.box_image_ids, names, corners, rng.beta(4, 2, len(xywh)))


@pytest.fixture
def run(small_run: Path, miniature_root: Path, tmp_path: Path) -> Path:
    """A copy of the small run that has found something."""
    folder = Path(shutil.copytree(small_run, tmp_path / ODD))
    data, record = CocoDetection(miniature_root, "val"), RunFolder(folder).records()[-1]
    facts = KeptFacts(record.file, record.sha256, record.epoch, record.step, data.digest, len(data))
    keep(folder, nearly_right(data), facts)
    return folder


def nobody_predicts(*_: Any, **__: Any) -> None:
    raise AssertionError("it was predicted again")


def test_a_session_ends_with_a_report_of_what_it_kept(small_run: Path, miniature_root: Path) -> None:
    results, facts = read_kept(small_run) or (None, None)
    record = RunFolder(small_run).records()[-1]
    assert facts == KeptFacts(
        record.file, record.sha256, 0, record.step, CocoDetection(miniature_root, "val").digest, len(CocoDetection(miniature_root, "val"))
    )  # fmt: skip
    page = (small_run / "report.html").read_text()
    assert len(results) == 0 or f"{len(results):,} detection" in page
    assert "Where this comes from" in page and record.file in page


def test_the_page_shows_what_is_kept_and_needs_nothing_beside_it(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(predict, "predict", nobody_predicts)
    assert command.main([str(run)]) == 0
    assert str(run / "report.html") in capsys.readouterr().out
    data = (run / "report.html").read_bytes()
    page = data.decode()
    titles = re.findall("<h2>(.*?)</h2>", page)
    assert titles == [
        "Training", "Kinds of mistakes", "Classes", "Score threshold", "What is taken for what", "Where it is hard",
        "The worst images", "Deployment", "Where this comes from",
    ]  # fmt: skip
    assert len(data) < 3_000_000 and page.count("data:image/jpeg") >= 2
    assert all(link.startswith(("#", "data:")) for link in re.findall(r'(?:href|src)="([^"]*)"', page))
    assert "http://" not in page and "https://" not in page and "@import" not in page


def test_what_is_not_kept_is_predicted_once_and_kept(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / KEPT).unlink()
    assert command.main([str(run), "--no-predict"]) == 0
    assert "No detections of the best checkpoint are kept" in (run / "report.html").read_text()
    assert command.main([str(run), "--workers", "0", "--device", "cpu"]) == 0
    assert read_kept(run) is not None
    monkeypatch.setattr(predict, "predict", nobody_predicts)
    assert command.main([str(run)]) == 0


@pytest.mark.parametrize("harm", ["another checkpoint", "another data set", "cut off", "text"])
def test_detections_of_something_else_are_not_shown(run: Path, harm: str) -> None:
    results, facts = read_kept(run) or (None, None)
    changed = {"another checkpoint": {"sha256": "0" * 64}, "another data set": {"dataset_digest": "0" * 64}}
    if harm in changed:
        keep(run, results, KeptFacts(**{**vars(facts), **changed[harm]}))  # type: ignore[arg-type]
    else:
        data = (run / KEPT).read_bytes()
        (run / KEPT).write_bytes(data[: len(data) // 2] if harm == "cut off" else b"no archive")
        assert read_kept(run) is None
    assert command.main([str(run), "--no-predict"]) == 0
    assert "No detections of the best checkpoint are kept" in (run / "report.html").read_text()


def test_an_older_run_has_no_sessions_and_a_damaged_one_no_such_row(run: Path) -> None:
    sessions = run / "sessions.jsonl"
    (row,) = log.read(sessions)
    for written, shown in (
        ('{"step": "1", "steps_per_epoch": 4, "command": "c", "code": "x"}\n', False),
        (json.dumps({**row, "steps_per_epoch": 0}) + "\n", False),
        (json.dumps({**row, "command": "<script>"}) + "\n", True),
        (None, False),
    ):
        sessions.unlink() if written is None else sessions.write_text(written)
        assert command.main([str(run), "--no-predict"]) == 0
        page = (run / "report.html").read_text()
        assert ("<dd>&lt;script&gt;</dd>" in page, "code of this report" in page) == (shown, not shown)


def test_sessions_that_cannot_be_read_are_said_with_what_to_do(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = run / "sessions.jsonl"
    sessions.write_text("{broken\n" + sessions.read_text())
    assert command.main([str(run), "--no-predict"]) == 1
    said = capsys.readouterr().err
    assert "why: " in said and "sessions.jsonl: line 1" in said and "fix: delete that line" in said


def test_a_page_of_somebody_elses_stays(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "report.html").write_text("<html>mine</html>")
    assert command.main([str(run)]) == 1
    said = capsys.readouterr().err
    assert "report.html is in the way" in said and "  fix: move it aside" in said
    assert (run / "report.html").read_text() == "<html>mine</html>"
    assert command.main([str(run), "--output", str(run / "other.html")]) == 0
    with pytest.raises(UserError, match="in the way"):
        command.after_training(run)


def test_a_file_in_the_place_of_a_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(next(run.glob("*.pth")))]) == 1
    assert "is a file, not a folder" in capsys.readouterr().err


def test_data_that_were_moved(
    run: Path, miniature_root: Path, tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    (record,) = RunFolder(run).records()
    content = torch.load(run / record.file, weights_only=True)
    content["args"]["datasets"] = [str(tmp_path / "gone")]
    torch.save(content, run / record.file)
    RunFolder(run).publish(
        record.file, (run / record.file).read_bytes(), epoch=0, step=record.step, best=True
    )
    assert command.main([str(run)]) == 1
    said = capsys.readouterr().err
    assert f"there is no folder {tmp_path / 'gone'}\n" in said
    printed(said, "tools/report/__main__.py:_data", "--no-predict", fill={"FOLDER": miniature_root})
    command.after_training(run)
    assert "The validation data are not where the run has them" in (run / "report.html").read_text()


def test_images_get_smaller_until_they_fit(miniature_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = CocoDetection(miniature_root, "val")
    found = analyse(nearly_right(data), ground_truth_of(data))
    assert found.worst
    large = sum(map(len, thumbnails.figures(found, data, data.classes)))
    monkeypatch.setattr(thumbnails, "MOST_BYTES", large // 3)
    assert sum(map(len, thumbnails.figures(found, data, data.classes))) < large / 1.5
