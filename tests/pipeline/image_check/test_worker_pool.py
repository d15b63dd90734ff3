"""Workers that are killed, crash, run out of memory or raise: every item comes back, blamed only for what it did."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from pipeline.image_check.worker_pool import CHUNK, WorkerCrash, WorkerPool, WorkFailed
from pipeline.stage import Interrupted
from pipeline.stop import Stop


def square(item: int) -> int:
    return item * item


def end_by(item: int, at: int, number: int) -> int:
    if item == at:
        os.kill(os.getpid(), number)
        time.sleep(60)
    return item


def end_once(item: int, at: int, mark: str) -> int:
    if item == at and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def no_memory(item: int, at: int) -> int:
    if item == at:
        raise MemoryError
    return item


def divide(item: int) -> float:
    return 1 / item


def slow(item: int) -> int:
    time.sleep(0.05)
    return item


def everything(pool: WorkerPool, count: int) -> dict[int, object]:
    with pool:
        pairs = [pair for chunk in pool.run(range(count), Stop()) for pair in chunk]
    assert len(pairs) == len(dict(pairs)) == count  # each exactly once
    return dict(pairs)


def test_ctrl_c_is_held_back_from_the_server_from_its_first_moment_on() -> None:
    """While it imports what it preloads, it would end with a traceback, and the work with another error than the signal's."""
    made = "import signal, sys; from multiprocessing import forkserver; from pipeline.image_check import worker_pool\n"
    made += "worker_pool._start_server(); print(forkserver._forkserver._forkserver_pid, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", made], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin and parent.stdout
        server = int(parent.stdout.readline())
        blocked = {
            number: int(re.search(r"SigBlk:\s+(\w+)", Path(f"/proc/{number}/status").read_text())[1], 16)  # type: ignore[index]
            for number in (server, parent.pid)
        }
        parent.stdin.close()
    held = 1 << (signal.SIGINT - 1)
    assert blocked[server] & held and not blocked[parent.pid] & held


def test_a_server_that_ended_with_us_is_no_lack_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_pool: WorkerPool) -> None:
        raise BlockingIOError(errno.EAGAIN, "")

    monkeypatch.setattr(WorkerPool, "_start", refused)
    for asked, expected in ((True, Interrupted), (False, BlockingIOError)):
        with WorkerPool(square, 1) as pool, pytest.raises(expected):
            list(pool.run([1], Stop(lambda asked=asked: asked)))  # type: ignore[misc]


@pytest.mark.parametrize("count", [0, 1, CHUNK, 3 * CHUNK + 1])
def test_every_item_once(count: int) -> None:
    assert everything(WorkerPool(square, 2), count) == {item: item * item for item in range(count)}


@pytest.mark.parametrize(
    ("number", "crashed"),
    [(signal.SIGKILL, False), (signal.SIGTERM, False), (signal.SIGSEGV, True), (signal.SIGABRT, True)],
)
def test_an_item_that_ends_its_worker_every_time_is_lost_alone(number: int, crashed: bool) -> None:
    found = everything(WorkerPool(partial(end_by, at=21, number=number), 2), 50)
    lost = found.pop(21)
    assert isinstance(lost, WorkerCrash) and lost.exit_code == -number and lost.crashed is crashed
    assert found == {item: item for item in range(50) if item != 21}


def test_a_worker_that_was_killed_once_costs_nothing(tmp_path: Path) -> None:
    found = everything(WorkerPool(partial(end_once, at=7, mark=str(tmp_path / "mark")), 2), 40)
    assert found == {item: item for item in range(40)}


def test_a_lack_of_memory_is_lost_and_not_a_crash() -> None:
    lost = everything(WorkerPool(partial(no_memory, at=3), 2), 20)[3]
    assert isinstance(lost, WorkerCrash) and lost.exit_code is None and not lost.crashed


def test_what_the_work_raises_names_the_item() -> None:
    with WorkerPool(divide, 2) as pool, pytest.raises(WorkFailed, match=r"^0: ZeroDivisionError") as caught:
        for _ in pool.run([3, 2, 1, 0], Stop()):
            pass
    assert caught.value.item == 0 and "divide" in caught.value.trace


def test_it_stops_when_it_is_asked_to() -> None:
    began = time.monotonic()
    with WorkerPool(slow, 2) as pool, pytest.raises(Interrupted):
        for _ in pool.run(range(10_000), Stop(lambda: time.monotonic() > began + 0.5)):
            pass
    assert time.monotonic() - began < 5


def alive(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rsplit(")")[-1].split()[0] != "Z"


PARENT = """
import os, sys, time
from pipeline.image_check.worker_pool import WorkerPool
from pipeline.stop import Stop
from tests.pipeline.image_check.test_worker_pool import report_and_wait
with WorkerPool(report_and_wait, 2) as pool:
    for _ in pool.run(range(64), Stop()):
        pass
"""


def report_and_wait(item: int) -> int:
    os.write(
        1, b"%d\n" % os.getpid()
    )  # in one piece: print writes the line break apart, and two processes would mix
    time.sleep(0.3)
    return item


def test_workers_do_not_outlive_a_killed_parent() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    workers = {int(process.stdout.readline()) for _ in range(2)}
    process.kill()
    process.wait()
    process.stdout.close()
    until = time.monotonic() + 15
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < until, "workers are still alive"
        time.sleep(0.1)
