"""The demo in miniature: every public command once, on images rendered for this test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import warm
from tools import demo

RECIPE = """
net: sq-ssd-lite
mb2_width_mult: 0.25
resolution: [96]
priors: ancestor
augment: light
epochs: 2
batch_size: 8
optim_choose: SGD
lr: 0.01
ema: 0.9
workers: 0
device: cpu
threads: 1
"""


def words(folder: Path) -> list[str]:
    where = [
        "--data",
        str(folder / "data"),
        "--run",
        str(folder / "run"),
        "--recipe",
        str(folder / "recipe.yaml"),
    ]
    return [*where, "--train", "16", "--val", "8", "--stop-after-epoch", "1"]


@pytest.fixture
def demo_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """``tools.demo`` in this process, its steps in processes of their own that are forked, not started."""
    monkeypatch.setattr(demo, "subprocess", SimpleNamespace(run=warm.run))

    return lambda: demo.main(words(tmp_path))


def weights_of(run: Path) -> dict[str, str]:
    return {
        row["file"]: row["sha256"]
        for row in json.loads((run / "checkpoints.json").read_text())["checkpoints"]
    }


@pytest.mark.timeout(600)
def test_the_demo_goes_the_whole_way_and_again(
    demo_in: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    assert demo_in() == 0, capfd.readouterr()
    run = tmp_path / "run"
    assert {"ssd-mobilenet.onnx", "labels.txt", "metrics.json", "checkpoints.json", "report.html"} <= {
        p.name for p in run.iterdir()
    }
    assert len(list((run / "drawn").glob("*.jpg"))) == 6
    epochs = [row["epoch"] for row in json.loads((run / "checkpoints.json").read_text())["checkpoints"]]
    assert epochs == [0, 1]
    said = capfd.readouterr().out
    assert "./setup_coco.sh" in said and f"report: {run / 'report.html'}" in said
    assert "Kinds of mistakes" in (run / "report.html").read_text()
    weights, step = weights_of(run), demo.Journey.step

    def only_what_changes_weights(journey: demo.Journey, name: str, *command: str) -> None:
        if name not in ("evaluate", "export", "detect", "report"):
            step(journey, name, *command)

    monkeypatch.setattr(demo.Journey, "step", only_what_changes_weights)
    assert demo_in() == 0, capfd.readouterr()
    assert "index: done" in capfd.readouterr().out
    assert weights_of(run) == weights


def test_a_failing_step_ends_the_demo_with_its_code(
    demo_in: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.yaml").write_text("no_such_option: 1\n")
    assert demo_in() == 2
    said = capfd.readouterr().err
    assert "'train, and stop on the way' ended with exit code 2" in said
    assert "no_such_option" in said
