"""What a worker process may do to the run: its threads, its signals, its time limit, and how its death is told."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.context import BaseContext
from typing import Any

import cv2
import torch
from torch.utils.data import get_worker_info

from vision.datasets.sampling import SampleKey

_STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
_PID, _EPOCH, _INDEX, _FIELDS = 0, 1, 2, 3
_NOTHING = -1
KILLED_S = 5.0
"""How long a killed worker is waited for: one that hangs in the kernel is left to it."""


class WorkerStatus:
    """What each worker is reading right now, in memory that all processes share.

    It is what is left to say when a worker dies without a word.
    """

    def __init__(self, workers: int, context: BaseContext) -> None:
        self._cells = context.RawArray("q", [_NOTHING] * (_FIELDS * workers))

    def enter(self, worker: int) -> None:
        self._cells[worker * _FIELDS + _PID] = os.getpid()

    def note(self, worker: int, key: SampleKey | None) -> None:
        first = worker * _FIELDS
        self._cells[first + _EPOCH] = key.epoch if key else _NOTHING
        self._cells[first + _INDEX] = key.index if key else _NOTHING

    def pid(self, worker: int) -> int:
        return int(self._cells[worker * _FIELDS + _PID])

    def key(self, worker: int) -> SampleKey | None:
        """What it was reading; None between two batches."""
        epoch, index = self._cells[worker * _FIELDS + _EPOCH : worker * _FIELDS + _FIELDS]
        return None if index == _NOTHING else SampleKey(epoch, index)


class TimeLimit:
    """Ends this worker process when a batch takes longer than ``seconds``; 0 = never.

    The alarm's default action works even where the process hangs outside Python. Does nothing in the main process.
    """

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        if self.seconds and get_worker_info() is not None:
            signal.alarm(self.seconds)

    def __exit__(self, *raised: object) -> None:
        if self.seconds and get_worker_info() is not None:
            signal.alarm(0)


class WorkerStart:
    """Called in each worker process before its first batch; picklable.

    One thread each, since the workers are the parallelism. Requests to stop go to the whole process group when
    they come from a terminal or a scheduler; a worker ignores them, so that the trainer can finish its step, save
    and end the workers itself. A worker whose parent is gone ends within seconds on its own.
    """

    def __init__(self, table: WorkerStatus, time_limit: TimeLimit) -> None:
        self.table, self.time_limit = table, time_limit

    def __call__(self, worker: int) -> None:
        self.table.enter(worker)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        for name in _STOP_SIGNALS:
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        with self.time_limit:
            # 0, not 1: both mean this thread alone, but 1 takes the parent's pool apart, whose threads a forked
            # child does not have, and OpenCV 5 waits for them or crashes
            cv2.setNumThreads(0)
            torch.set_num_threads(1)


def start_method(asked: str | None) -> str:
    """``asked``, or fork where there is it.

    A forked worker starts in milliseconds and shares everything imported and mapped. It never touches CUDA, and
    uses one thread for everything, so what usually breaks a forked child is not in use.
    """
    known = multiprocessing.get_all_start_methods()
    if asked is not None and asked not in known:
        raise ValueError(f"start method {asked!r}: this system has {', '.join(known)}")
    return asked or ("fork" if "fork" in known else "spawn")


@contextmanager
def forking() -> Iterator[None]:
    """Around the start of workers, so that a forked one shares what this process holds and keeps nothing of what it frees.

    A page is shared until one of both writes to it. Memory that a step has freed would be written by the next one, and the
    worker keep the old pages: hundreds of MB. So it goes back to the system, once. The garbage collector of a
    worker would write to each object it inherits: they are none of its business.
    """
    give_back_freed()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def give_back_freed() -> None:
    """What is freed goes back to the system, although glibc is told to keep it."""
    with suppress(AttributeError, OSError, TypeError):  # another libc; another system
        ctypes.CDLL(None).malloc_trim(0)


def dead_workers(processes: Iterable[Any]) -> list[tuple[int, int]]:
    """(worker, exit code) of those that have ended."""
    ended = []
    for worker, process in enumerate(processes):
        process.join(timeout=0.1)
        if process.exitcode is not None:
            ended.append((worker, process.exitcode))
    return ended


def end_workers(processes: Iterable[Any]) -> None:
    """Kills what still runs, and waits for it: a worker holds nothing that is worth saving, and ignores polite requests.

    Registered to run at exit too, before torch and multiprocessing wait there for workers of a loader that is
    still referenced, one after another.
    """
    killed = list(processes)
    for process in killed:
        process.kill()
    for process in killed:
        process.join(timeout=KILLED_S)


def cause_of(exit_code: int, time_limit_s: int) -> str:
    """What an exit code means, in words, with what to do about it."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    number = -exit_code
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    advice = {
        "SIGKILL": "; most often the system ran out of memory: fewer --workers or a smaller --batch-size",
        "SIGBUS": "; most often /dev/shm is full: mount a larger one (docker --shm-size=2g) or use fewer --workers",
        "SIGALRM": f": its batch took longer than {time_limit_s} s; does the disk answer?",
    }
    return f"was ended by {name}{advice.get(name, '')}"
