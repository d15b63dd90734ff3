"""Fixtures of the stages' tests."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.stop import Stop
from pipeline.transfer import fetch, request
from pipeline.transfer import partial as part
from pipeline.transfer.fetch import Fetch
from tests.pipeline.fault_server import FaultServer, serving


@pytest.fixture
def fault_server() -> Iterator[FaultServer]:
    with serving(hashlib.shake_256(b"a body of our own").digest(700_000)) as server:
        yield server


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits and sizes of a fetch, made small."""
    monkeypatch.setattr(fetch, "BACKOFF_S", 0.001)
    monkeypatch.setattr(fetch, "SPAN_BYTES", 1 << 16)
    monkeypatch.setattr(request, "STALL_S", 0.5)
    monkeypatch.setattr(part, "SYNC_EVERY", 1 << 16)
    monkeypatch.setattr(part, "NOTE_EVERY", 1 << 14)


@pytest.fixture
def make_fetch(no_patience: None, fault_server: FaultServer, tmp_path: Path) -> Callable[..., Fetch]:
    """Makes a Fetch of the fault server's file, whose first requests meet ``faults``."""

    def made(faults: tuple[str, ...] = (), **change: Any) -> Fetch:
        fault_server.faults = list(faults)
        arguments: dict[str, Any] = {
            "urls": [f"{fault_server.url}/file.zip"], "bytes": len(fault_server.body), "sha256": fault_server.sha256,
            "output": tmp_path / "file.zip", "progress": lambda received: None,
            "stop": Stop(), "say": lambda line: None,
        }  # fmt: skip
        return Fetch(**(arguments | change))

    return made


@pytest.fixture
def own_root(miniature_root: Path, tmp_path: Path) -> Path:
    """A copy to change. Its inodes are others: what looks at it for the first time reads everything again."""
    return Path(shutil.copytree(miniature_root, tmp_path / "root"))
