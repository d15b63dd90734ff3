"""The demo in miniature: every public command once, on images rendered for this test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = """
net: mb2-ssd-lite
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


def run_demo(repository: Path, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-m", "tools.demo", "--data", str(folder / "data"), "--run", str(folder / "run"),
        "--recipe", str(folder / "recipe.yaml"), "--train", "16", "--val", "8", "--stop-after-epoch", "1", *more,
    ]  # fmt: skip
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)
def test_the_demo_goes_the_whole_way_and_again(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    done = run_demo(repository, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "run"
    assert {"ssd-mobilenet.onnx", "labels.txt", "metrics.json", "checkpoints.json"} <= {
        p.name for p in run.iterdir()
    }
    assert len(list((run / "drawn").glob("*.jpg"))) == 6
    epochs = [row["epoch"] for row in json.loads((run / "checkpoints.json").read_text())["checkpoints"]]
    assert epochs == [0, 1]
    assert "./setup_coco.sh" in done.stdout
    weights = {
        row["file"]: row["sha256"]
        for row in json.loads((run / "checkpoints.json").read_text())["checkpoints"]
    }
    again = run_demo(repository, tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "index: done" in again.stdout
    now = {
        row["file"]: row["sha256"]
        for row in json.loads((run / "checkpoints.json").read_text())["checkpoints"]
    }
    assert now == weights


def test_a_failing_step_ends_the_demo_with_its_code(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("no_such_option: 1\n")
    done = run_demo(repository, tmp_path)
    assert done.returncode == 2
    assert "'train, and stop on the way' ended with exit code 2" in done.stderr
    assert "no_such_option" in done.stderr
