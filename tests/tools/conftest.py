"""A run folder made by the public commands, once for all tools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.export.made import convert_once


@pytest.fixture(scope="session")
def small_run(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One epoch of a narrow net at 64×96 px, with an average; it has learned nothing. Read only."""
    from train_ssd import main

    run = tmp_path_factory.mktemp("models") / "small"
    arguments = [
        "--datasets", str(miniature_root), "--checkpoint-folder", str(run), "--epochs", "1", "--batch-size", "8",
        "--net", "sq-ssd-lite", "--resolution", "96", "64", "--mb2-width-mult", "0.25", "--ema", "0.5", "--workers", "0",
        "--augment", "light", "--device", "cpu", "--threads", "1",
    ]  # fmt: skip
    assert main(arguments) == 0
    return run


@pytest.fixture
def overflowing(small_run: Path, tmp_path: Path) -> Path:
    """A checkpoint whose weights are finite and whose outputs are not."""
    content = torch.load(next(small_run.glob("*.pth")), weights_only=True)
    for weights in (content["weights"], content["ema"]["weights"]):
        weights |= {name: value * 1e30 for name, value in weights.items() if value.ndim == 4}
    torch.save(content, tmp_path / "large.pth")
    return tmp_path / "large.pth"


@pytest.fixture(scope="session", autouse=True)
def conversions() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        convert_once(patch)
        yield
