"""A server with a small Open Images, and the command on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.open_images.__main__ import main
from tests.pipeline.fault_server import FaultServer, serving
from tests.pipeline.open_images.published import Published, published
from tests.printed import ODD

Run = Callable[..., int]


@pytest.fixture(scope="session")
def release() -> Published:
    return published()


@pytest.fixture
def server(release: Published, no_patience: None) -> Iterator[FaultServer]:
    with serving(b"") as server:
        server.bodies = release.bodies()
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / ODD / "fruit"


@pytest.fixture
def run(server: FaultServer, root: Path) -> Run:
    """The command for apples and oranges; gives its exit code."""

    def called(*words: str) -> int:
        return main(["--class-names", "Apple,Orange", "--data", str(root), "--mirror", server.url, *words])

    return called
