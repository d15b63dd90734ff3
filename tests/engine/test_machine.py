"""What the machine is asked before training begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


def test_compile_without_a_compiler_says_what_to_install(
    train: Callable[..., int],
    tiny: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert train(*tiny, "--checkpoint-folder", tmp_path / "run", "--compile") == 1
    assert "apt install g++" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()
