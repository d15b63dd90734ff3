"""The one path on real COCO images: stages over loopback, two epochs, a third after a resume, the tools."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests import warm
from tools.demo import mirror


def command(repository: Path, *arguments: str) -> str:
    done = warm.run([sys.executable, *arguments], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(900)
def test_stages_training_resume_and_tools_on_real_images(
    repository: Path, coco_mini: Path, tmp_path: Path
) -> None:
    root, run = str(tmp_path / "coco-mini"), tmp_path / "run"
    with mirror(coco_mini) as url:
        release = str(coco_mini / "release.json")
        command(repository, "-m", "pipeline", "run", "--root", root, "--release", release, "--mirror", url)
    states = json.loads(command(repository, "-m", "pipeline", "status", "--root", root, "--json"))
    assert [(row["stage"], row["state"]) for row in states] == [
        ("download", "done"), ("extract", "done"), ("validate_images", "done"), ("remap_categories", "done"),
        ("index", "done"), ("pack", "optional"),
    ]  # fmt: skip
    # narrow and small: what is tested is the path, not the score
    command(
        repository, "train_ssd.py", "--dataset-type=coco", f"--datasets={root}", "--net=mb2-ssd-lite", "--epochs=2",
        "--workers=1", f"--checkpoint-folder={run}", "--resolution=160", "--mb2-width-mult=0.25", "--batch-size=32",
        "--device=cpu", "--threads=1", "--validation-epochs=3",
    )  # fmt: skip
    command(repository, "train_ssd.py", "--resume", str(run), "--epochs=3")
    record = json.loads((run / "checkpoints.json").read_text())["checkpoints"]
    assert [row["epoch"] for row in record] == [0, 1, 2]
    command(repository, "-m", "tools.evaluate", str(run), "--workers", "1")
    command(repository, "-m", "tools.export_onnx", str(run))
    command(
        repository, "-m", "tools.detect", str(run / "ssd-mobilenet.onnx"), f"{root}/val2017",
        "--output", str(tmp_path / "found"),
    )  # fmt: skip
    assert len(json.loads((tmp_path / "found/detections.json").read_text())["images"]) == 80
