"""The shim, compiled once."""

from __future__ import annotations

import pytest

from tests.faults import harness


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> harness.Shim:
    return harness.build(tmp_path_factory.mktemp("shim"))
