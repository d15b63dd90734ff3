"""The same for a run folder: what docs/artefacts.md says of it is enough to read it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.documents import documented, files, keys_of_table, lines, plain, sha256


@pytest.fixture(scope="module")
def document(repository: Path) -> str:
    return (repository / "docs/artefacts.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def root(miniature_root: Path) -> Path:
    return miniature_root


@pytest.fixture(scope="module")
def classes(root: Path) -> list[str]:
    return (root / "annotations/labels.txt").read_bytes().decode().splitlines()


@pytest.fixture(scope="module")
def run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two epochs of the smallest net on the miniature."""
    torch = pytest.importorskip("torch")
    from tests.engine.tiny_runs import TINY
    from train_ssd import main

    folder, threads = tmp_path_factory.mktemp("models") / "run", torch.get_num_threads()
    words = ["--datasets", str(root), *TINY, "--epochs=2", "--save-every-steps=3"]
    assert main([*words, "--checkpoint-folder", str(folder)]) == 0
    yield folder
    torch.set_num_threads(threads)


def test_every_file_of_a_run_is_in_the_document(document: str, run: Path) -> None:
    patterns = documented(document, "The run folder")
    assert [name for name in files(run) if not any(p.fullmatch(name) for p in patterns.values())] == []


def test_the_record_of_checkpoints(document: str, run: Path) -> None:
    record = plain(run / "checkpoints.json")
    assert set(record) == {"format", "checkpoints"} and record["format"] == 1
    assert {row["finished"] for row in record["checkpoints"]} == {True, False}
    for row in record["checkpoints"]:
        assert set(row) == keys_of_table(document, "**`checkpoints.json`**")
        if not row["pruned"]:
            path = run / row["file"]
            assert (path.stat().st_size, sha256(path)) == (row["bytes"], row["sha256"])


def test_a_checkpoint(document: str, run: Path, root: Path, classes: list[str]) -> None:
    import torch

    row = plain(run / "checkpoints.json")["checkpoints"][-1]
    content = torch.load(run / row["file"], weights_only=True)
    text = document.split("**Checkpoint**", 1)[1].split("\n\n")[0]
    assert set(content) == set(re.findall(r"`([a-z_]+)`", text)) - {"weights_only"}
    assert (content["format"], content["epoch"], content["step"]) == (1, row["epoch"], row["step"])
    assert content["classes"] == classes
    record = plain(root / "arrays/train2017/arrays.json")
    defining = {
        key: value for key, value in record.items() if key not in ("annotations", "annotations_sha256")
    }
    digest = hashlib.sha256(json.dumps(defining, sort_keys=True).encode()).hexdigest()
    assert content["dataset_digest"] == digest


def test_metrics_and_arguments(run: Path, classes: list[str]) -> None:
    rows = lines(run / "metrics.jsonl")
    steps, epochs = ([row for row in rows if row["kind"] == kind] for kind in ("step", "epoch"))
    assert [row["step"] for row in steps] == list(range(1, 9)) and [row["epoch"] for row in epochs] == [0, 1]
    wanted = {
        "kind",
        "step",
        "epoch",
        "loss",
        "classification",
        "localization",
        "positives",
        "grad_norm",
        "rate",
    }
    assert all(set(row) == wanted for row in steps)
    wanted = {
        "epoch",
        "step",
        "train_total",
        "train_classification",
        "train_localization",
        "val_loss",
        "seconds",
    }
    assert all(wanted | {"images_per_s", "data_share"} <= set(row) for row in epochs)
    arguments = plain(run / "training_args.json")
    assert arguments["epochs"] == 2 and arguments["save_every_steps"] == 3
    assert (run / "labels.txt").read_text(encoding="utf-8").splitlines() == classes
