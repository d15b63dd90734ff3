"""The table of start-up: real trainers on small roots, and medians that meet or miss what is wanted."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from benchmarks.startup import __main__ as benchmark
from benchmarks.startup import probe
from benchmarks.startup.coco_sized import make_root


def one(batch: float) -> dict[str, float]:
    return {"imports": 4, "imports_processor": 2, "batch": batch, "batch_processor": 3, "step": batch + 1}


def test_the_first_step_of_the_real_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vision.engine.training import loop

    monkeypatch.setattr(loop, "train_step", loop.train_step)  # to be put back
    words = benchmark.words_of(make_root(tmp_path / "root", 16, 8), tmp_path / "run")
    small = [
        "--resolution",
        "96",
        "--width-mult",
        "0.1",
        "--workers",
        "0",
        "--batch-size",
        "2",
        "--threads",
        "1",
    ]
    found = probe.train(time.monotonic(), [*words, *small])
    assert (
        0 <= found["interpreter"] <= found["imports"] + found["interpreter"] <= found["batch"] < found["step"]
    )
    assert list((tmp_path / "run").glob("*.pth")), "the session ended well"


def test_a_trainer_that_makes_no_step_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="made no step"):
        probe.train(time.monotonic(), ["--datasets", str(tmp_path / "nowhere")])


def test_a_probe_that_fails_is_no_measurement() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        benchmark.probe("train")


@pytest.mark.parametrize(("batch", "verdict"), [(6.9, "met"), (7.1, "MISSED")])
def test_the_table(batch: float, verdict: str) -> None:
    text = "\n".join(
        benchmark.table(
            {"large": [one(batch), one(99), one(5)]},
            [{"start": 2.0, "start_processor": 0.5, "reading": 2e6, "private": 1e6, "share": 9e6}],
        )
    )
    assert f"{batch - 4:.2f} s, wanted ≤ 3 s: {verdict}" in text
    assert "after 2.00 (2.00–2.00) s, wanted ≤ 1 s: MISSED" in text
    assert "add 1.00 (1.00–1.00) MB that it alone holds (USS), wanted ≤ 5 MB: met; 9.00" in text
