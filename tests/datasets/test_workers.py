"""Workers that die, hang, are asked to stop or are left behind: real signals, real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests import warm
from tests.datasets.transforms import Mishap, Shrink
from vision.datasets.coco import CocoDetection
from vision.datasets.loading import Loader, WorkerError, make_loader
from vision.datasets.sampling import BatchSampler, SampleKey
from vision.datasets.workers import WorkerStatus, cause_of, start_method


def loader_with(root: Path, transform: Shrink, workers: int = 2, **rest: object) -> Loader:
    dataset = CocoDetection(root)
    return make_loader(dataset, transform, BatchSampler(len(dataset), 4, shuffle=False), workers, **rest)


@pytest.mark.parametrize(
    ("deed", "expected"),
    [("kill", "SIGKILL; most often"), ("exit", "exit code 3"), ("hang", "SIGALRM: its batch")],
)
def test_a_worker_that_dies_is_told_with_its_image(small_coco: Path, deed: str, expected: str) -> None:
    loader = loader_with(small_coco, Mishap(deed=deed), time_limit_s=2 if deed == "hang" else 300)
    started = time.monotonic()
    with pytest.raises(WorkerError) as raised:
        list(loader)
    assert time.monotonic() - started < 30
    message = str(raised.value)
    assert "000000000115.png (image id 115)" in message and expected in message
    assert f"data worker 1 (pid {loader.dataset.table.pid(1)})" in message
    assert not running(loader.dataset.table.pid(0)), "the other worker is left behind"


def test_a_death_shows_when_a_batch_is_asked_for_and_not_before(small_coco: Path) -> None:
    """Never in the middle of a step or of a checkpoint, where a signal handler would raise."""
    handler = signal.getsignal(signal.SIGCHLD)
    # slow enough that the worker still has a batch to make when it is killed
    loader = loader_with(small_coco, Mishap(deed="dawdle"))
    iterator = iter(loader)
    next(iterator)
    assert signal.getsignal(signal.SIGCHLD) is handler
    os.kill(loader.dataset.table.pid(1), signal.SIGKILL)
    time.sleep(0.5)
    with pytest.raises(WorkerError, match="SIGKILL"):
        while True:
            next(iterator)


def test_requests_to_stop_are_for_the_trainer(small_coco: Path) -> None:
    loader = loader_with(small_coco, Shrink())
    iterator = iter(loader)
    next(iterator)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        os.kill(loader.dataset.table.pid(0), number)
    assert len(list(iterator)) == 4
    assert len(list(loader)) == 5


def test_a_parent_whose_opencv_has_threads_can_have_workers(small_coco: Path) -> None:
    """OpenCV 5 hangs or crashes in a forked child that takes the parent's threads apart."""
    cv2.setNumThreads(4)
    image = np.zeros((2000, 2000, 3), np.uint8)
    cv2.warpAffine(image, np.eye(3)[:2], (2000, 2000))
    assert len(list(loader_with(small_coco, Shrink(), time_limit_s=20))) == 5


SCRIPT = """
import sys, time
from tests.datasets.transforms import Mishap, Shrink
from vision.datasets.coco import CocoDetection
from vision.datasets.loading import make_loader
from vision.datasets.sampling import BatchSampler
if __name__ == "__main__":
    dataset = CocoDetection(sys.argv[1])
    transform = Mishap(deed="raise") if sys.argv[2] == "raise" else Shrink()
    loader = make_loader(dataset, transform, BatchSampler(len(dataset), 4, shuffle=False), 2)
    first = next(iter(loader))
    print(*(loader.dataset.table.pid(n) for n in (0, 1)), flush=True)
    if sys.argv[2] == "raise":
        list(loader)
    if sys.argv[2] == "wait":
        time.sleep(100)
"""


def start(root: Path, repository: Path, deed: str) -> subprocess.Popen[str]:
    begin = subprocess.Popen if deed == "leave" else warm.Popen  # what an interpreter does last matters there
    return begin(
        [sys.executable, "-c", SCRIPT, str(root), deed],
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("deed", "code"), [("leave", 0), ("raise", 1)])
def test_a_loader_that_is_still_there_does_not_hold_the_exit(
    small_coco: Path, repository: Path, deed: str, code: int
) -> None:
    process = start(small_coco, repository, deed)
    pids = [int(word) for word in process.stdout.readline().split()]
    started = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code and time.monotonic() - started < 10, errors
    assert ("image id 115" in errors) == (deed == "raise")
    assert not [pid for pid in pids if running(pid)]


def test_workers_of_a_killed_trainer_end_themselves(small_coco: Path, repository: Path) -> None:
    process = start(small_coco, repository, "wait")
    pids = [int(word) for word in process.stdout.readline().split()]
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(running(pid) for pid in pids):
        time.sleep(0.2)
    assert not [pid for pid in pids if running(pid)]


def running(pid: int) -> bool:
    """A zombie that nobody has collected does not count."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


SMALL_SHM = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$0" "$@"'


def test_one_mebibyte_of_shared_memory_is_enough(small_coco: Path, repository: Path) -> None:
    """In a mount namespace of its own, with the /dev/shm of a careless container."""
    script = SCRIPT.replace("Shrink()", "Shrink(InputSpec(300, 300))").replace("4, shuffle", "8, shuffle")
    script = "from vision.core.sample import InputSpec" + script + "    print(len(list(loader)))\n"
    inside = ["unshare", "-rm", "sh", "-c", SMALL_SHM]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system gives no mount namespace (unshare -rm)")
    done = subprocess.run(
        [*inside, sys.executable, "-c", script, str(small_coco), "leave"],
        cwd=repository, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "3"
    assert "batches go through pipes" in done.stderr


BESIDE_A_STEP = """
import gc, multiprocessing, sys
import torch
from benchmarks.startup.probe import memory_of
from tests.datasets.test_workers import loader_with
from tests.datasets.transforms import Shrink
from vision.engine.machine import keep_freed_memory

def step():
    return [torch.ones(250_000) for _ in range(SIZE)]

SIZE = 300  # MB; blocks that a heap keeps
keep_freed_memory()
step()
loader = loader_with(sys.argv[1], Shrink(), 1)
next(iter(loader))
held = step()
(worker,) = multiprocessing.active_children()
print(memory_of(worker.pid)[0], gc.get_freeze_count())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_worker_keeps_nothing_of_what_a_step_has_freed(small_coco: Path, repository: Path) -> None:
    """A step frees 300 MB, the worker is forked, the next step writes there: the old pages are nobody's."""
    command = [sys.executable, "-c", BESIDE_A_STEP, str(small_coco)]
    done = subprocess.run(command, cwd=repository, stdout=subprocess.PIPE, text=True, check=True)
    private, frozen = map(int, done.stdout.split())
    assert private < 100e6 and not frozen


def test_the_work_table_forgets_nothing() -> None:
    import multiprocessing

    table = WorkerStatus(2, multiprocessing.get_context())
    assert table.key(1) is None
    table.note(1, SampleKey(4, 17))
    table.enter(1)
    assert table.key(1) == SampleKey(4, 17) and table.pid(1) == os.getpid() and table.key(0) is None
    table.note(1, None)
    assert table.key(1) is None


def test_causes_in_words() -> None:
    assert "--shm-size" in cause_of(-signal.SIGBUS, 300)
    assert "took longer than 300 s" in cause_of(-signal.SIGALRM, 300)
    assert cause_of(-signal.SIGSEGV, 300) == "was ended by SIGSEGV"
    assert cause_of(-63, 300) == "was ended by signal 63"


def test_forking_is_the_default_on_linux() -> None:
    assert start_method(None) == ("fork" if sys.platform == "linux" else start_method(None))
    assert start_method("spawn") == "spawn"
