"""A run measured from inside the real trainer."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from benchmarks.gpu.worker import Idle, Seen, measure
from tests.engine.tiny_runs import TINY
from vision.engine.training import loop


def test_the_first_steps_of_a_run_and_of_an_epoch_do_not_count() -> None:
    seen = Seen(warm=2)
    for number, in_epoch in enumerate((1, 2, 3, 1, 2), start=1):
        time.sleep(0.01 if in_epoch > 1 else 0.2)
        seen.step(number, in_epoch, waiting_s=0.005 * number)
    assert seen.steps == 2 and 0.02 <= seen.seconds < 0.2
    assert seen.waited_s == pytest.approx(0.01) and seen.first_step_s is not None


def test_the_real_trainer(miniature_root: Path, tmp_path: Path) -> None:
    step = loop.train_step
    words = ["--datasets", str(miniature_root), *TINY, "--checkpoint-folder", str(tmp_path / "run")]
    found = measure([*words, "--stop-after-step=4"], warm=1)
    assert found["steps"] == 3 and found["step_s"] > 0 and 0 <= found["waiting"] <= 1
    assert found["bytes"] > 1e8 and loop.train_step is step
    with pytest.raises(SystemExit, match="ended with 1 after 0 steps"):
        measure(["--datasets", str(tmp_path / "nowhere")], warm=1)


def test_what_the_gpu_idles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Idle().end() is None
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 100\necho 50\necho '[N/A]'\nexec /bin/sleep 60\n")
    program.chmod(stat.S_IRWXU)
    idle = Idle()
    time.sleep(1)
    assert idle.end() == pytest.approx(0.25)
