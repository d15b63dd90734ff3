"""The same training by each feed, to its end, resumed where it was stopped."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks import feed_accuracy


def test_each_feed_in_a_run_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = []

    def trainer(words: list[str], **told: Any) -> None:
        run = Path(words[words.index("--checkpoint-folder") + 1])
        run.mkdir(parents=True)
        ran.append((run.name, words[words.index("--feed") + 1], words[-2:], told["check"]))
        rows = ({"kind": "epoch", "epoch": at, "step": 8 * (at + 1), "AP": 0.1 * (at + 1)} for at in (0, 1))
        (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    monkeypatch.setattr(subprocess, "run", trainer)
    words = [
        "--datasets",
        str(tmp_path),
        "--folder",
        str(tmp_path / "runs"),
        "--feeds",
        "jpeg",
        "device:rgb-64",
    ]
    assert feed_accuracy.main([*words, "--epochs", "2"]) == 0
    assert ran == [
        ("jpeg", "jpeg", ["--epochs", "2"], True),
        ("device-rgb-64", "device:rgb-64", ["--epochs", "2"], True),
    ]
    assert "| device:rgb-64 | 2 | 16 | 0.200 | – |" in capsys.readouterr().out
