"""Two data sets of which each labels what the other does not: import, train on both, resume, evaluate, export."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from pipeline.import_data.__main__ import main as import_data
from tests.engine.tiny_runs import TINY, assert_same_run, end_state
from tests.pipeline.foreign import as_voc, draw
from tests.printed import ODD, Printed
from tools.evaluate.__main__ import main as evaluate
from tools.export_onnx import main as export
from vision.datasets.sampling import repeats
from vision.datasets.splits import open_splits
from vision.engine.training import loop

Train = Callable[..., int]
LABELLED = {"one": "apple,pear", "two": "pear,traffic light"}


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Apples, pears and traffic lights are in the images of both; in none are all of them labelled."""
    folder, made = tmp_path_factory.mktemp("union") / ODD, []
    for seed, (name, classes) in enumerate(LABELLED.items()):
        source, root = as_voc(folder / f"{name}-source", draw(8, 3, seed)), folder / name
        words = ["--from", "voc", "--source", source, "--root", root, "--classes", classes, "--workers", "1"]
        assert import_data(list(map(str, words))) == 0
        made.append(root)
    return made


@pytest.fixture(scope="module")
def train() -> Iterator[Train]:
    from train_ssd import main

    threads = torch.get_num_threads()
    yield lambda *words: main([str(word) for word in words])
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def whole(roots: list[Path], train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs on both sets, balanced, at one go."""
    run = tmp_path_factory.mktemp("models") / ODD / "whole"
    assert train(*line_of(roots, run), "--report=true") == 0
    return run


def test_the_report_has_the_worst_images_of_both(whole: Path) -> None:
    page = (whole / "report.html").read_text()
    assert "data:image/" in page, "images of a set of several are found"


def line_of(roots: list[Path], run: Path) -> list[object]:
    more = ["--balance_data", "--accumulate=2", "--validation-map=true", "--epochs=2"]
    return ["--datasets", *roots, *TINY, *more, "--checkpoint-folder", run]


class Killed(BaseException):
    """No handler of ours sees it, nothing is saved on the way out."""


def test_a_killed_run_resumes_to_the_bit(
    roots: list[Path], whole: Path, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run, step = tmp_path / "run", loop.train_step
    length = len(repeats(open_splits(*roots)[0], 0))
    assert length > 16, "more than the images of both"

    def dying(state: object, *rest: object) -> object:
        if state.step == 6:  # type: ignore[attr-defined]
            raise Killed
        return step(state, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop, "train_step", dying)
        train(*line_of(roots, run), "--save-every-steps", 1, "--workers", 2)
    said = capsys.readouterr().out
    assert f"{length} images an epoch of 16: " in said and f"{length // 4} steps an epoch" in said
    assert "one does not label traffic light: in its 8 images that is no background" in said
    assert "two does not label apple" in said and "16 training images, 6 validation images" in said
    assert end_state(run)["step"] == 6
    assert train("--resume", run) == 0
    assert_same_run(run, whole)
    arguments = json.loads((run / "training_args.json").read_text())
    assert arguments["datasets"] == list(map(str, roots)) and arguments["balance_data"] is True
    assert (run / "labels.txt").read_text().split("\n")[:4] == [
        "BACKGROUND",
        "apple",
        "pear",
        "traffic light",
    ]


def test_another_order_or_balance_is_another_run(
    roots: list[Path], train: Train, tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / ODD / "run"
    assert train(*line_of(roots, run), "--stop-after-step", 1) == 0
    assert train("--resume", run, "--balance-data=no") == 1
    assert "--balance-data: True → False" in capsys.readouterr().err
    assert train("--resume", run, "--datasets", *roots[::-1]) == 1
    said = capsys.readouterr().err
    assert "--datasets: the data sets of the run in another order\n  why: the order numbers images" in said
    line = printed(said, "vision/engine/runs/resume.py:_require_order", "--stop-after-step", 2)
    assert line.index("one") < line.index("two") and end_state(run)["step"] == 2


def test_it_is_evaluated_on_both_or_on_either_and_exported(
    roots: list[Path], whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [str(whole), "--workers", "0"]
    assert evaluate(options) == 0
    said = capsys.readouterr().out
    assert "two does not label apple: in its 3 images that is no background" in said
    metrics = json.loads((whole / "metrics.json").read_text())
    assert metrics["images"] == 6 and [row["name"] for row in metrics["per_class"]] == [
        "apple",
        "pear",
        "traffic light",
    ]
    rows = [json.loads(row) for row in (whole / "metrics.jsonl").read_text().splitlines()]
    best = next(row for row in rows if row["kind"] == "epoch" and row["step"] == metrics["step"])
    assert metrics["AP"] == pytest.approx(best["AP"], abs=1e-9), "the run's own data, and its own number"
    assert evaluate([*options, "--datasets", str(roots[1])]) == 0
    (beside,) = (whole / "evaluations").glob("two-*/metrics.json")
    assert json.loads(beside.read_text())["images"] == 3
    assert export([str(whole)]) == 0
    assert (whole / "labels.txt").read_text().splitlines()[-1] == "traffic light"
    assert next(whole.glob("*.onnx")).stat().st_size
