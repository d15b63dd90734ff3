"""Processes that may be killed, crash or run out of memory without anything being lost or blamed on the item.

``concurrent.futures`` gives up on every pending item when one worker dies and does not say which item was at work.
Here a chunk whose worker died is given out again item by item; an item that is alone each time its worker dies comes
back as ``Lost``, with the signal, and the caller decides what that means.
"""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from pipeline.stop import Stop

CHUNK = 16
DEPTH = 2
"""Chunks that a worker has at once: it works on the next while this process is busy with its results."""
TRIES = 3
POLL_S = 0.2
CRASH_SIGNALS = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT})

Work = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class WorkerCrash:
    """No result: the worker ended ``TRIES`` times on this item alone.

    ``exit_code`` as ``multiprocessing`` gives it (−9 = SIGKILL), None where it was a MemoryError.
    """

    exit_code: int | None

    @property
    def crashed(self) -> bool:
        """True when the item brought the process down by itself, such as a segmentation fault."""
        return self.exit_code is not None and -self.exit_code in CRASH_SIGNALS

    def __str__(self) -> str:
        if self.exit_code is None:
            return "out of memory"
        if self.exit_code < 0:
            return f"ended by {signal.Signals(-self.exit_code).name}"
        return f"ended with exit code {self.exit_code}"


class WorkFailed(Exception):
    """The work raised for ``item``; ``cause`` is what it raised, or its text where it cannot travel."""

    def __init__(self, item: Any, cause: BaseException, trace: str) -> None:
        super().__init__(f"{item}: {type(cause).__name__}: {cause}\n{trace}")
        self.item, self.cause, self.trace = item, cause, trace


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    chunks: deque[list[Any]] = field(default_factory=deque)


class WorkerPool:
    """``work`` (a module-level callable, or a partial of one) done by ``workers`` processes. A context manager."""

    def __init__(self, work: Work, workers: int, preload: str = __name__) -> None:
        self._work, self._count = work, max(1, workers)
        # a fork server: threads of this process are not copied, and workers do not hold each other's pipes
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([preload, "pipeline.image_check.fork_server"])
        self._workers: list[_Worker] = []
        self._again: deque[list[Any]] = deque()
        self._tries: dict[Any, int] = {}

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.pipe.close()
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
        self._workers.clear()

    def run(self, items: Iterable[Any], stop: Stop) -> Iterator[list[tuple[Any, Any]]]:
        """Chunks of (item, result or Lost), in the order in which they are done. Items have to be hashable.

        :raises Interrupted: soon after ``stop`` says so; what is not yielded by then is not done
        :raises WorkFailed: when ``work`` raises anything but MemoryError
        :raises OSError: EAGAIN, when the system gives no more processes
        """
        pending = iter(items)
        while True:
            try:
                self._give_out(pending)
            except OSError:
                stop.check()  # what ended us may have ended the server, too
                raise
            busy = {worker.pipe: worker for worker in self._workers if worker.chunks}
            if not busy:
                return
            ready = wait(list(busy), timeout=POLL_S)
            stop.check()
            for pipe in ready:
                yield from self._collect(busy[pipe])  # type: ignore[index]

    def _give_out(self, pending: Iterator[Any]) -> None:
        """First a chunk for everybody, then a second one each."""
        for depth in range(1, DEPTH + 1):
            for worker in self._workers:
                if len(worker.chunks) < depth and (chunk := self._next_chunk(pending)):
                    self._hand(worker, chunk)
            while len(self._workers) < self._count and (chunk := self._next_chunk(pending)):
                self._hand(self._start(), chunk)

    def _next_chunk(self, pending: Iterator[Any]) -> list[Any]:
        return self._again.popleft() if self._again else list(islice(pending, CHUNK))

    def _hand(self, worker: _Worker, chunk: list[Any]) -> None:
        worker.chunks.append(chunk)
        # a worker that has died meanwhile is found by its closed pipe in ``run``
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            worker.pipe.send(chunk)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        _start_server()
        process = self._context.Process(target=_serve, args=(theirs, self._work), daemon=True)
        try:
            process.start()
        except (EOFError, ConnectionError) as error:  # the server ends when it is refused a process
            ours.close()
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        finally:
            theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _collect(self, worker: _Worker) -> Iterator[list[tuple[Any, Any]]]:
        try:
            results, problem = worker.pipe.recv()
        except (EOFError, OSError):  # also in the middle of a message
            lost = self._bury(worker)
            if lost:
                yield lost
            return
        chunk = worker.chunks.popleft()
        if problem is not None and not isinstance(problem[0], MemoryError):
            raise WorkFailed(chunk[len(results)], *problem)
        done = list(zip(chunk, results, strict=False))
        if problem is not None:
            done += self._try_again(chunk[len(results) :], None)
        if done:
            yield done

    def _bury(self, worker: _Worker) -> list[tuple[Any, Any]]:
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        at_work, *waiting = worker.chunks  # results come in order: it was at the first one
        self._again.extend(waiting)
        return self._try_again(at_work, worker.process.exitcode)

    def _try_again(self, chunk: list[Any], exit_code: int | None) -> list[tuple[Any, Any]]:
        """Gives the items out again, each alone; the ones that were alone already are counted."""
        if len(chunk) > 1:
            self._again.extend([item] for item in chunk)
            return []
        (item,) = chunk
        self._tries[item] = self._tries.get(item, 0) + 1
        if self._tries[item] >= TRIES:
            return [(item, WorkerCrash(exit_code))]
        self._again.append([item])
        return []


def _start_server() -> None:
    """The fork server, where none runs yet. Ctrl-C is the parent's affair, also while the server imports what it preloads."""
    resource_tracker.ensure_running()  # first, since it lets through again what is held back
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, work: Work) -> None:
    """A worker's life: Ctrl-C is the parent's affair, and a worker does not outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = os.getppid()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            while not pipe.poll(1.0):
                if os.getppid() != parent:
                    return
            pipe.send(_do(pipe.recv(), work))


def _do(chunk: list[Any], work: Work) -> tuple[list[Any], tuple[BaseException, str] | None]:
    """Results up to the first item that raised, and what it raised."""
    results: list[Any] = []
    try:
        for item in chunk:
            results.append(work(item))
    except MemoryError:
        return results, (MemoryError(), "")
    except Exception as error:  # it travels to the parent, which raises it with the item's name
        return results, (_portable(error), traceback.format_exc())
    return results, None


def _portable(error: Exception) -> Exception:
    return (
        error
        if type(error).__module__ in ("builtins", "pipeline.image_check.safe_read")
        else RuntimeError(repr(error))
    )
