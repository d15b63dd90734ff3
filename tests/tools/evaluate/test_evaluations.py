"""No evaluation replaces another one; those on the same data are shown side by side."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tools.evaluate.__main__ import main, table
from tools.evaluate.evaluations import COMPARED, IDENTITY, ROWS_SHOWN, _gap, comparison
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.evaluation.coco_map import ClassScores, Scores


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_run, tmp_path / "run"))


def evaluate(model: Path, *words: str) -> int:
    return main([str(model), "--workers", "0", *words])


def metrics_of(run: Path) -> dict[str, dict[str, Any]]:
    paths = sorted(run.rglob("metrics.json"))
    return {path.parent.relative_to(run).as_posix(): json.loads(path.read_text()) for path in paths}


def test_each_kind_has_a_place_of_its_own(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(run) == 0
    own = (run / "metrics.json").read_bytes()
    for words in (["--resize", "detectnet"], ["--weights", "raw"], ["--weights", "raw", "--resize", "detectnet"],
                  ["--split", "train"], ["--score-threshold", "0.05"]):  # fmt: skip
        assert evaluate(run, *words) == 0
        assert (run / "metrics.json").read_bytes() == own, words
    found = metrics_of(run)
    below = {name.removeprefix("evaluations/") for name in found} - {"."}
    assert below == {"detectnet", "raw", "raw-detectnet", "train", "score-0.05"}
    for name in found:
        split = "train" if "train" in name else "val"
        assert (run / name / f"detections_{split}2017.json").is_file()
    assert len({tuple(str(one[key]) for key in IDENTITY) for one in found.values()}) == len(found)
    said = capsys.readouterr().out
    assert str(run / "evaluations/raw-detectnet/metrics.json") in said
    # again: the same place, and the run's own stays
    assert evaluate(run, "--weights", "ema") == 0 and set(metrics_of(run)) == set(found)


def test_other_data_have_a_place_by_their_name_and_digest(
    run: Path, miniature_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vision.datasets.coco import CocoDetection

    other = Path(shutil.copytree(miniature_root, tmp_path / "other data"))
    assert evaluate(run, "--datasets", str(other)) == 0, "the same data elsewhere are the same data"
    assert set(metrics_of(run)) == {"."}
    own = (run / "metrics.json").read_bytes()
    digest = "0123456789abcdef" * 4
    monkeypatch.setattr(CocoDetection, "digest", property(lambda self: digest, lambda self, value: None))
    assert evaluate(run, "--datasets", str(other)) == 0
    assert set(metrics_of(run)) == {".", "evaluations/other_data-01234567"}
    assert (run / "metrics.json").read_bytes() == own


def test_a_checkpoint_that_is_not_the_runs_choice(run: Path, tmp_path: Path) -> None:
    newest = run / RunFolder(run).records()[-1].file
    assert evaluate(newest) == 0 and set(metrics_of(run)) == {"."}, (
        "named as a file, it is the run's best all the same"
    )
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("first.pth", "second.pth"):
        shutil.copy(newest, alone / name)
        assert evaluate(alone / name) == 0
    assert set(metrics_of(alone)) == {"evaluations/first", "evaluations/second"}


def test_a_named_folder_is_taken_as_it_is_but_replaces_no_other_evaluation(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "scores"
    assert evaluate(run, "--output", str(output)) == 0
    assert evaluate(run, "--output", str(output)) == 0, "the same one again"
    before = (output / "metrics.json").read_bytes()
    capsys.readouterr()
    assert evaluate(run, "--output", str(output), "--resize", "detectnet") == 1
    said = capsys.readouterr().err
    assert "is in the way" in said and "other resize" in said and "\n  fix: " in said
    assert (output / "metrics.json").read_bytes() == before


@pytest.mark.parametrize("name", ["metrics.json", "detections_val2017.json"])
@pytest.mark.parametrize("content", ["[]", '{"AP": 1}', "not JSON"])
def test_a_file_of_the_users_own_is_never_replaced(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str
) -> None:
    for folder, words in ((run, []), (tmp_path / "mine", ["--output", str(tmp_path / "mine")])):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(content)
        assert evaluate(run, *words) == 1
        assert (
            folder / name
        ).read_text() == content and f"{folder / name} is in the way" in capsys.readouterr().err


def test_side_by_side(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(run, "--score-threshold", "0.001") == 0
    assert "on the same data" not in capsys.readouterr().out, "there is nothing to compare with"
    assert evaluate(run) == 0
    own, other = run / "metrics.json", run / "evaluations/score-0.001/metrics.json"
    for path, gain in ((own, 0.25), (other, 0.0)):
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content | {name: 0.5 + gain for name in COMPARED} | {"APs": -1.0}))
    assert comparison(run, run).splitlines()[1].split()[-6] == "0.750"
    assert comparison(run, run).splitlines()[3].split()[-6:] == ["+0.250"] * 3 + ["–"] + ["+0.250"] * 2
    assert (
        comparison(run, other.parent).splitlines()[3].split()[-6:] == ["-0.250"] * 3 + ["–"] + ["-0.250"] * 2
    )


def test_the_comparison_is_bounded_and_passes_over_what_is_none(run: Path) -> None:
    assert evaluate(run) == 0
    for number in range(ROWS_SHOWN + 3):
        folder = run / "evaluations" / f"more-{number:02d}"
        folder.mkdir(parents=True)
        shutil.copy(run / "metrics.json", folder)
    (run / "evaluations/more-00/metrics.json").write_text("[")
    said = comparison(run, run)
    assert (
        "more-00" not in said and "(2 more in " in said and len(said.splitlines()) == 2 + 2 * ROWS_SHOWN + 1
    )


def test_many_classes_are_the_best_and_the_worst() -> None:
    rows = tuple(ClassScores(f"class {n}", n, n / 100, 0.5, 0.5, 0.5, 3, 0, 4) for n in range(1, 81))
    scores = Scores(
        {"AP": 0.4, "AP50": 0.5},
        (*rows, ClassScores("none", 99, -1, -1, -1, -1, 0, 0, 0)),
        "x",
        "1",
        5,
        240,
        320,
    )
    lines = table(scores, Path("run/metrics.json"))
    assert len(lines) == 1 + 30 + 1 + 1
    assert lines[1].startswith("class 80") and lines[31].startswith("class 1 ")
    assert lines[16] == "… 50 classes between the best and the worst ones: per_class in run/metrics.json"
    assert lines[-1] == "(1 class without boxes and detections left out)"


def test_no_difference_has_no_sign() -> None:
    assert [_gap(0.5, other).strip() for other in (0.5, 0.5004, 0.4, -1)] == ["=", "=", "+0.100", "–"]
