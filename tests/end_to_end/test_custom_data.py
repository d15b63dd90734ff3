"""docs/custom-data.md, from labelled photographs to a detector: each of its commands is run, on drawn data in VOC's layout."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.engine.tiny_runs import TINY
from tests.house.test_readme import as_program, commands_in
from tests.pipeline.foreign import CLASSES, as_voc, draw

PAGE = Path(__file__).resolve().parents[2] / "docs" / "custom-data.md"
SMALL = ["--net=sq-ssd-lite", "--width-mult=0.1", "--resolution=64", "--batch-size=4"]
HERE = ["--device=cpu", "--threads=1", "--workers=0"]
STILL = ["--patience=2", "--lr=1e-9", "--base-net-lr=1e-9"]
"""Nothing gets better at that rate, so that it stops early."""
FEW = [*SMALL, *HERE, *STILL, "--epochs=9"]
TUNE = "train_ssd --config configs/finetune.yaml --datasets my-data --checkpoint-folder models/mine --pretrained-ssd {}"
RUN: dict[str, list[str]] = {
    "pipeline.import_data --from voc --source my-photos --root my-data": ["--workers=0"],
    "pipeline status --root my-data": [],
    "train_ssd --datasets coco-data my-data --balance-data --checkpoint-folder models/both": [
        *SMALL,
        *HERE,
        "--stop-after-step=1",
    ],
    "pipeline.statistics my-data --page my-data.html": ["--workers=0"],
    TUNE.format("models/my-experiment-1/CHECKPOINT.pth"): [*FEW, "--stop-after-epoch=1"],
    "train_ssd --resume models/mine": [],
    "tools.evaluate models/mine --metrics coco,voc": ["--workers=0"],
    "tools.export_onnx models/mine": [],
    "tools.detect models/mine/ssd-mobilenet.onnx my-data/val2017 --output found": [],
}
"""Command of the page → options added here so that it is done in a moment; in this order, in one folder."""


@pytest.fixture
def folder(
    miniature_root: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """As a reader has it: photographs, the recipes, and a run that was trained on COCO's classes."""
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    shutil.copytree(repository / "configs", "configs")
    shutil.copytree(miniature_root, "coco-data", symlinks=True)
    as_voc(Path("my-photos"), draw(6, 2))
    words = [*TINY, *SMALL, "--stop-after-step=1", "--checkpoint-folder=models/my-experiment-1"]
    assert started("train_ssd", [f"--datasets={miniature_root}", *words]) == 0
    (made,) = Path("models/my-experiment-1").glob("*.pth")
    made.with_name("CHECKPOINT.pth").symlink_to(made.name)
    yield tmp_path
    torch.set_num_threads(threads)


def started(module: str, words: list[str]) -> int:
    room = importlib.import_module(module)
    main = getattr(room, "main", None) or importlib.import_module(f"{module}.__main__").main
    return int(main(words) or 0)


def test_the_walk_of_the_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = [
        " ".join([call[0], *call[1]]) for each in commands_in(PAGE, PAGE.name) if (call := as_program(each))
    ]
    assert list(dict.fromkeys(shown)) == list(RUN), "the page has other commands, or another order"
    for line, more in RUN.items():
        module, *words = line.split()
        assert started(module, [*words, *more]) == 0, (line, capsys.readouterr().err)
    said = "".join(capsys.readouterr())
    assert "heads kept for 3 of 4 classes" in said, (
        "background, apple and traffic light are classes of COCO; pear is none"
    )
    assert "stopped early: no better validation 2 times" in said and epochs_of(Path("models/mine")) < 9
    assert "data:image" in Path("my-data.html").read_text(encoding="utf-8")
    assert {"AP50", "voc"} <= json.loads(Path("models/mine/metrics.json").read_text()).keys()
    assert Path("models/mine/labels.txt").read_text().split("\n")[1:4] == list(CLASSES)
    parity = json.loads(Path("models/mine/export_report.json").read_text())["parity"]["scores"]
    assert parity["onnxruntime"] < 1e-5 and Path("found/detections.json").is_file()


def epochs_of(run: Path) -> int:
    return len(json.loads((run / "checkpoints.json").read_text())["checkpoints"])
