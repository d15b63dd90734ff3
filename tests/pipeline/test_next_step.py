"""What is printed in the end works in that situation: with both splits, with one, with data of one's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import next_step
from pipeline.__main__ import main
from pipeline.stage import Settings
from tests.faults.harness import REPOSITORY
from tools.demo import mirror

ODD = "a b$(touch X)"


def obey(line: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        line, shell=True, cwd=REPOSITORY, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )


def test_of_val_alone_both_printed_commands_work(
    miniature_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after setup_coco.sh --sample."""
    root, table = tmp_path / ODD, str(miniature_release / "release.json")
    with mirror(miniature_release) as url:
        words = ["--release", table, "--mirror", url, "--workers", "1"]
        assert main(["run", "--root", str(root), "--splits", "val", *words]) == 0
        said = capsys.readouterr().out
        assert "train_ssd.py" not in said
        asked = obey(said.split("next: ")[1].splitlines()[0])
        assert asked.returncode == 0 and "rows" in asked.stdout, asked.stderr
        done = obey(said.split("train is not here: ")[1].splitlines()[0])
        assert done.returncode == 0, done.stderr
    line = done.stdout.split("next: ")[1]
    assert line.startswith("python train_ssd.py ") and f"--datasets '{root}'" in line
    assert not (REPOSITORY / "X").exists()


def test_of_ones_own_it_says_what_to_put_where() -> None:
    lines = next_step.after_all(Settings(Path("r"), ("train",), 1, {"own": True}))
    assert lines[0].startswith(
        "training takes train and val: put r/val2017 and r/annotations/instances_val2017.json"
    )
    assert lines[1].startswith("next: python -m pipeline.index query")
