"""A foreign data set, imported, is what the trainer trains on: two epochs, and every object of every image is seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.import_data.__main__ import main as import_data
from tests.engine.tiny_runs import TINY
from tests.pipeline.foreign import CLASSES, as_voc, draw


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    torch = pytest.importorskip("torch")
    from train_ssd import main

    threads, root, folder = torch.get_num_threads(), tmp_path / "root", tmp_path / "models/run"
    source = as_voc(tmp_path / "source", draw(6, 2))
    assert (
        import_data(
            [
                "--from",
                "voc",
                "--source",
                str(source),
                "--root",
                str(root),
                "--workers",
                "1",
                "--link",
                "soft",
            ]
        )
        == 0
    )
    assert main(["--datasets", str(root), *TINY, "--epochs=2", "--checkpoint-folder", str(folder)]) == 0
    yield folder
    torch.set_num_threads(threads)


def test_two_epochs(run: Path) -> None:
    assert (run / "labels.txt").read_text().splitlines() == ["BACKGROUND", *CLASSES]
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows if row["kind"] == "epoch"] == [0, 1]
    record = json.loads((run / "checkpoints.json").read_text())
    assert record["checkpoints"][-1]["finished"]
