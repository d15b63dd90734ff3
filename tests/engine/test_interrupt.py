"""Real signals to real processes: what was killed and goes on equals what never was.

The end states are compared by the digests of ``tools.inspect_checkpoint``, the rows of steps as they are.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import warm
from tests.datasets.packed.test_detection import make
from tests.engine.tiny_runs import WITH_STATISTICS, step_rows
from tools.inspect_checkpoint import digests
from vision.engine.checkpoints import folder as run_folder
from vision.engine.checkpoints.checkpoint import find, load

REPOSITORY = Path(__file__).resolve().parents[2]


def words_of(root: Path, run: Path, *more: object) -> list[str]:
    """The same command line each time, as a scheduler would run it."""
    line = [
        "--datasets",
        str(root),
        *WITH_STATISTICS,
        "--save-every-steps=1",
        "--checkpoint-folder",
        str(run),
    ]
    return [*line, "--resume=auto", *map(str, more)]


def start(root: Path, run: Path, *more: object, cold: bool = False) -> subprocess.Popen[str]:
    """``cold``: with all of its imports before it."""
    begin = subprocess.Popen if cold else warm.Popen
    return begin(
        [sys.executable, "train_ssd.py", *words_of(root, run, *more)],
        cwd=REPOSITORY, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def run_through(root: Path, run: Path, *more: object) -> None:
    """To the end, in this process."""
    from train_ssd import main

    assert main(words_of(root, run, *more)) == 0


def wait_for_step(run: Path, step: int, process: subprocess.Popen[str], limit_s: float = 120) -> None:
    """Until that step has been logged, or the process has ended."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until and process.poll() is None:
        if (run / "metrics.jsonl").is_file() and any(row["step"] >= step for row in step_rows(run)):
            return
        time.sleep(0.02)


def assert_equal_ends(run: Path, reference: Path) -> None:
    assert digests(load(find(run))) == digests(load(find(reference)))
    assert step_rows(run) == step_rows(reference)


@pytest.fixture(scope="module")
def reference(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("reference") / "run"
    run_through(miniature_root, run)
    assert [row["step"] for row in step_rows(run)] == list(range(1, 17))
    return run


@pytest.mark.parametrize(
    ("number", "status", "workers"),
    [(signal.SIGTERM, 143, 2), (signal.SIGUSR1, 138, 0), (signal.SIGINT, 130, 2)],
)
def test_a_signal_saves_at_the_step_and_loses_none(
    number: int, status: int, workers: int, miniature_root: Path, reference: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(miniature_root, run, f"--workers={workers}", "--save-every-steps=1000")
    wait_for_step(run, 3, process)
    asked = time.monotonic()
    process.send_signal(number)
    said, _ = process.communicate(timeout=200)
    assert process.returncode == status, said
    assert time.monotonic() - asked < 30
    assert "interrupted and saved" in said
    assert load(find(run)).step == step_rows(run)[-1]["step"] >= 3
    if number == signal.SIGTERM:  # what is saved does not depend on the number, and a run takes long
        run_through(miniature_root, run, f"--workers={workers}")
        assert_equal_ends(run, reference)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks at what a process has loaded")
@pytest.mark.parametrize("moment", ["torch is imported", "the run is made"])
def test_a_signal_before_the_first_step_is_no_traceback(
    moment: str, miniature_root: Path, tmp_path: Path
) -> None:
    """Nothing is lost, and nothing is said to be saved."""
    run = tmp_path / "run"
    process = start(miniature_root, run, "--epochs=1000", cold=moment == "torch is imported")
    maps = Path(f"/proc/{process.pid}/maps")
    while not (run.exists() if moment == "the run is made" else "libtorch" in maps.read_text()):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 130 and "Traceback" not in said, said
    if not (run / "checkpoints.json").exists():
        assert "before the first step" in said and "saved at step" not in said and "--resume" not in said


def test_killed_and_run_again_until_it_is_done(miniature_root: Path, reference: Path, tmp_path: Path) -> None:
    """SIGKILL once a step was logged, in the middle of saving as likely as not; other workers each time."""
    run = tmp_path / "run"
    for step, workers in ((2, 0), (9, 2)):
        process = start(miniature_root, run, f"--workers={workers}")
        wait_for_step(run, step, process)
        process.kill()
        process.communicate(timeout=200)
        assert process.returncode == -signal.SIGKILL
    run_through(miniature_root, run)
    assert_equal_ends(run, reference)


@pytest.fixture(scope="module")
def packed(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packed") / "root"
    shutil.copytree(miniature_root, root)
    return make(root, "yuv420-96", "rgb-96", "jpeg-96", "grey-96")


def killed_on_the_way(root: Path, folder: Path, *line: str) -> None:
    """In the middle of an epoch, while workers are ahead; resumed without them, and compared with a run that was not."""
    run, reference = folder / "run", folder / "reference"
    run_through(root, reference, *line, "--epochs=2")
    process = start(root, run, *line, "--epochs=2", "--workers=2")
    wait_for_step(run, 2, process)
    process.kill()
    process.communicate(timeout=200)
    assert process.returncode == -signal.SIGKILL
    run_through(root, run, *line, "--epochs=2")
    assert_equal_ends(run, reference)


def test_killed_while_the_device_makes_its_images(packed: Path, tmp_path: Path) -> None:
    killed_on_the_way(packed, tmp_path, "--feed=device:yuv420-96")


def test_killed_while_threads_read_a_pack(packed: Path, tmp_path: Path) -> None:
    """The other formats stop and resume in tests/engine/runs/test_plan.py."""
    killed_on_the_way(packed, tmp_path, "--feed=yuv420-96")


def test_a_pack_that_is_cut_under_the_trainer_ends_it_with_words(packed: Path, tmp_path: Path) -> None:
    """As a disk that fails would, by SIGBUS in one of the threads; the last checkpoint is good."""
    root = Path(shutil.copytree(packed, tmp_path / "root"))
    run, reference, pixels = (
        tmp_path / "run",
        tmp_path / "reference",
        root / "packs/train2017.rgb-96/pixels.bin",
    )
    line = ("--feed=rgb-96", "--epochs=1", "--batch-size=2", "--workers=1")
    whole = pixels.read_bytes()
    run_through(root, reference, *line)
    process = start(root, run, *line)
    wait_for_step(run, 2, process)  # of 8, of which 2 are made ahead
    os.truncate(pixels, 0)
    said, _ = process.communicate(timeout=200)
    assert process.returncode == -signal.SIGBUS, said
    assert f"cannot be read any more, of {pixels.parent}, or the arrays of that root\n  why: " in said
    assert f"verify --deep --root {root} && python train_ssd.py --resume {run}\n" in said
    process = start(root, run, *line)
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 1 and "pixels.bin has 0 bytes, expected" in said
    pixels.write_bytes(whole)
    run_through(root, run, *line)
    assert_equal_ends(run, reference)


FEEDS = ["jpeg-96", "yuv420-96", "rgb-96", "grey-96", "device:yuv420-96", "device:rgb-96", "device:grey-96"]


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("feed", FEEDS)
def test_killed_at_random_moments_whatever_feeds_it(feed: str, packed: Path, tmp_path: Path) -> None:
    draw, run, reference = random.Random(feed), tmp_path / "run", tmp_path / "reference"
    channels = 1 if "grey" in feed else 3
    longer = (f"--feed={feed}", f"--channels={channels}", "--epochs=16", "--t-max=4", "--validation-epochs=8")
    run_through(packed, reference, *longer)
    for _ in range(8):
        process = start(packed, run, *longer, f"--workers={draw.choice((0, 2))}")
        reached = step_rows(run)[-1]["step"] if (run / "metrics.jsonl").is_file() and step_rows(run) else 0
        wait_for_step(run, reached + 1, process)
        time.sleep(draw.random() * 0.4)
        process.kill()
        process.communicate(timeout=200)
    run_through(packed, run, *longer)
    assert_equal_ends(run, reference)


@pytest.fixture(scope="module")
def one_epoch(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("one_epoch") / "run"
    run_through(miniature_root, run, "--epochs=1")
    return run


@pytest.mark.parametrize("save", [1, 3])
def test_killed_between_a_checkpoint_and_its_record(
    save: int, miniature_root: Path, one_epoch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also behind the very first checkpoint, when there is no record yet."""

    class Killed(BaseException):
        pass

    publish, files = run_folder.publish_bytes, []

    def killed_behind(path: Path, data: bytes) -> Any:
        written = publish(path, data)
        files.append(path)
        if len(files) == save:
            raise Killed
        return written

    run = tmp_path / "run"
    monkeypatch.setattr(run_folder, "publish_bytes", killed_behind)
    with pytest.raises(Killed):
        run_through(miniature_root, run, "--epochs=1")
    assert files[-1].exists()
    monkeypatch.undo()
    run_through(miniature_root, run, "--epochs=1")
    assert_equal_ends(run, one_epoch)


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, needs_gpu])]


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_many_kills_at_random_moments(seed: int, device: str, miniature_root: Path, tmp_path: Path) -> None:
    """30 SIGKILL and 10 SIGTERM from the start of the process on, workers 0, 2 and 4."""
    draw, run = random.Random(seed), tmp_path / "run"
    signals = [signal.SIGKILL] * 30 + [signal.SIGTERM] * 10
    draw.shuffle(signals)
    longer = ("--epochs=64", "--t-max=4", "--validation-epochs=8", f"--device={device}")
    if device == "cuda":
        longer += ("--deterministic",)
    long_reference = tmp_path / "reference"
    run_through(miniature_root, long_reference, *longer)
    delivered = 0
    for number in signals:
        process = start(miniature_root, run, *longer, f"--workers={draw.choice((0, 2, 4))}")
        reached = step_rows(run)[-1]["step"] if (run / "metrics.jsonl").is_file() and step_rows(run) else 0
        wait_for_step(run, reached + 1, process)
        time.sleep(draw.random() * 0.4)
        delivered += process.poll() is None
        process.send_signal(number)
        said, _ = process.communicate(timeout=200)
        assert process.returncode in (-signal.SIGKILL, 143, 0, -signal.SIGTERM), said
    assert delivered >= 35
    run_through(miniature_root, run, *longer)
    assert_equal_ends(run, long_reference)


# ---------------------------------------------------------------- workers and images


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid: int) -> bool:
    """Ended, or a zombie that only waits to be asked."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds worker processes by /proc")
def test_a_killed_worker_ends_the_run_with_its_name_and_leaves_no_orphan(
    miniature_root: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(miniature_root, run, "--workers=2", "--epochs=1000")
    wait_for_step(run, 3, process)
    line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    workers = [pid for pid in children(process.pid) if Path(f"/proc/{pid}/cmdline").read_bytes() == line]
    assert len(workers) >= 2
    os.kill(workers[0], signal.SIGKILL)
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 1 and "data worker" in said and "SIGKILL" in said, said
    time.sleep(1)
    assert all(gone(pid) for pid in workers)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_can_not_be_read_is_named(
    workers: int, miniature_root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from train_ssd import main

    root = Path(shutil.copytree(miniature_root, tmp_path / "data"))
    broken = sorted((root / "train2017").glob("*.jpg"))[0]
    broken.write_bytes(broken.read_bytes()[:300])
    assert main(words_of(root, tmp_path / "run", "--workers", workers)) == 1
    assert broken.name in capfd.readouterr().err
