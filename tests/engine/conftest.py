"""The trainer as a function, on the rendered miniature."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.engine.tiny_runs import TINY, WITH_STATISTICS


@pytest.fixture
def tiny(miniature_root: Path) -> list[str]:
    """The command line of a run over the rendered miniature, without its run folder."""
    return ["--datasets", str(miniature_root), *TINY]


@pytest.fixture
def with_statistics(miniature_root: Path) -> list[str]:
    """The same of a net with batch normalisation."""
    return ["--datasets", str(miniature_root), *WITH_STATISTICS]


@pytest.fixture
def train() -> Iterator[Callable[..., int]]:
    """``train_ssd.py`` in this process, with the global switches it sets put back."""
    from train_ssd import main

    threads = torch.get_num_threads()
    yield lambda *words: main([str(word) for word in words])
    torch.set_num_threads(threads)
