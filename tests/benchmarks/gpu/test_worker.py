"""A run measured from inside the real trainer."""

from __future__ import annotations

import shutil
import stat
import time
from pathlib import Path

import pytest

from benchmarks.gpu.worker import Asked, Idle, Seen, measure
from tests.datasets.packed.test_detection import make
from tests.engine.tiny_runs import TINY
from vision.engine.training import loop


@pytest.fixture(scope="module")
def packed(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packed") / "root"
    return make(Path(shutil.copytree(miniature_root, root)), "rgb-32")


def test_a_window_begins_behind_the_first_steps_and_is_full_by_steps_and_by_time() -> None:
    seen = Seen(Asked(warm=2, steps=2, seconds=0.03, times=1))
    full = []
    for number in range(1, 7):
        time.sleep(0.01 if number > 2 else 0.2)
        seen.step(number, waiting_s=0.005 * number)
        full.append(seen.is_full)
    assert full == [False] * 4 + [True] * 2, "two steps are 20 ms"
    assert seen.steps == 4 and 0.04 <= seen.seconds < 0.2 and seen.waited_s == pytest.approx(0.02)
    assert seen.first_step_s is not None and 0.2 <= seen.first_step_s < 0.4


@pytest.mark.parametrize("ring", [False, True])
def test_the_real_trainer(ring: bool, packed: Path, tmp_path: Path) -> None:
    """In one epoch of many steps, of which none is saved."""
    step = loop.train_step
    words = ["--datasets", str(packed), *TINY, "--epochs=1", "--feed=device:rgb-32"]
    found = measure(
        [*words, "--checkpoint-folder", str(tmp_path / "run")],
        Asked(1, steps=6, seconds=0, times=3, ring=ring),
    )
    assert found["steps"] == 6 and found["step_s"] > 0 and 0 <= found["waiting"] <= 1, "16 images are 4 steps"
    assert found["bytes"] > 1e8 and loop.train_step is step
    assert not [*(tmp_path / "run").glob("*.pth")]


def test_a_trainer_that_ends_too_early(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="ended with 1 after 0 steps"):
        measure(["--datasets", str(tmp_path / "nowhere")], Asked(1, 1, 0.0, 1))


def test_what_the_gpu_idles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Idle().end() is None
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 100\necho 50\necho '[N/A]'\nexec /bin/sleep 60\n")
    program.chmod(stat.S_IRWXU)
    idle = Idle()
    time.sleep(1)
    assert idle.end() == pytest.approx(0.25)
    assert idle.end() is None, "ended once more behind a run whose window was full"
