"""A file of pytorch-ssd's form, a folder with an odd name for it, and the command."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.printed import ODD
from tools.import_weights.__main__ import main
from vision.core.sample import InputSpec
from vision.ssd.build import build_detector
from vision.ssd.variants import find

NAMES = ["BACKGROUND", "cat", "dog, or hound"]
NET = "mb2-ssd-lite"


@pytest.fixture(scope="session")
def published() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return build_detector(find(NET), len(NAMES), InputSpec(96, 96), 1.0, "ancestor").state_dict()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / ODD
    folder.mkdir()
    return folder


def call(file: Path, *more: object, net: str = NET) -> int:
    words = [
        str(file),
        "--net",
        net,
        "--output",
        str(file.parent / "run"),
        "--resolution",
        "96",
        *map(str, more),
    ]
    return main(words)
