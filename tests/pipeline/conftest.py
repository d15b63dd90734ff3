"""Fixtures of the stages' tests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from tests.pipeline.fault_server import FaultServer, serving


@pytest.fixture
def fault_server() -> Iterator[FaultServer]:
    with serving(hashlib.shake_256(b"a body of our own").digest(700_000)) as server:
        yield server
