"""Check that the tests notice faults: each one of ``table.py`` put into a copy of the tree, alone, and the tests that it names run on it:
those of its room, or the one that was written for it.

    python -m benchmarks.deliberate_faults                  all of them
    python -m benchmarks.deliberate_faults --jobs 16        so many at a time, each in a copy of its own
    python -m benchmarks.deliberate_faults --quick          one a file
    python -m benchmarks.deliberate_faults --only hue       those whose name or file has the word

The tree at hand is only read: the copies are in a temporary folder, and are removed. Each run of the tests is a fork of
this process, which has imported torch and the like once for all. First the same tests run on the copy as it is: on
tests that are red anyway every fault would seem to be noticed. At the end a line a room: noticed of all. Exit 0 when all
were noticed, else 1.
"""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import argparse
import contextlib
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from benchmarks.deliberate_faults.fault import Fault
from benchmarks.deliberate_faults.table import FAULTS

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "benchmarks",
    "configs",
    "constraints",
    "docs",
    "pipeline",
    "setup_coco",
    "tests",
    "tools",
    "vision",
)
HEAVY = "cv2 onnx onnxruntime pycocotools.cocoeval pytest scipy skimage torch torchvision albumentations"
OURS = {"benchmarks", "pipeline", "tests", "tools", "train_ssd", "vision"}
NOTICED, UNNOTICED = 1, 0
"""pytest's exit codes for a red test and for none; any other means that the tests did not run."""


@dataclass(frozen=True, slots=True)
class Run:
    """pytest on ``tests``, with ``fault`` in the tree where there is one; its exit code and the end of what it said."""

    tests: Sequence[str]
    fault: Fault | None = None
    code: int = -1
    said: str = ""
    seconds: float = 0.0


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.deliberate_faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--quick", action="store_true", help="one fault a file")
    parser.add_argument("--only", metavar="WORD", help="faults whose name or file has this in it")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time (%(default)s)")
    arguments = parser.parse_args(argv)
    chosen = [fault for fault in FAULTS if _wanted(fault, arguments.quick, arguments.only)]
    if not chosen:
        parser.error(f"--only {arguments.only}: no fault has that in its name or file")
    if arguments.jobs < 1:
        parser.error(f"--jobs {arguments.jobs}: expected 1 or more")
    return run(chosen, ROOT, arguments.jobs)


def _wanted(fault: Fault, quick: bool, word: str | None) -> bool:
    return (fault.quick or not quick) and (word is None or word in f"{fault.name} {fault.file}")


def run(faults: Sequence[Fault], root: Path, jobs: int = 1) -> int:
    """Prints a line a fault, then one a room; 0 when all were noticed."""
    _preload()
    tests = sorted({test for fault in faults for test in fault.tests.split()})
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        trees = [copy_of(root, Path(folder) / str(number)) for number in range(min(jobs, len(faults)))]
        sound = [Run(tests[first :: len(trees)]) for first in range(len(trees)) if tests[first :: len(trees)]]
        red = [done for done in _all(trees, sound) if done.code != 0]
        if red:
            print("the tests are red without any fault, so that they say nothing:", file=sys.stderr)
            print(*(done.said for done in red), sep="\n", file=sys.stderr)
            return 1
        with_faults = _all(trees, (Run(fault.tests.split(), fault) for fault in faults))
        noticed = {done.fault for done in with_faults if _is_noticed(done)}
    for room, of_room in Counter(fault.room for fault in faults).items():
        print(f"{sum(fault.room == room for fault in noticed if fault):>3} of {of_room:<3} {room}")
    print(f"{len(noticed)} of {len(faults)} faults noticed")
    return 0 if len(noticed) == len(faults) else 1


def _is_noticed(done: Run) -> bool:
    assert done.fault is not None
    verdict = {NOTICED: "noticed", UNNOTICED: "NOT NOTICED"}.get(
        done.code, f"NOT RUN (pytest says {done.code})"
    )
    print(f"{verdict:<12} {done.fault.file}: {done.fault.name} ({done.seconds:.0f} s)", flush=True)
    if done.code not in (NOTICED, UNNOTICED):
        print(done.said)
    return done.code == NOTICED


def copy_of(root: Path, tree: Path) -> Path:
    """The code, tests and documents of ``root``, without what was made from them."""
    leave = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info", "results")
    for name in FOLDERS:
        if (root / name).is_dir():
            shutil.copytree(root / name, tree / name, ignore=leave)
    for path in root.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy2(path, tree / path.name)
    return tree


@contextlib.contextmanager
def put_in(tree: Path, fault: Fault) -> Iterator[None]:
    """The fault is in ``tree`` inside the block. Raises ValueError where its line is not there exactly once."""
    path = tree / fault.file
    whole = path.read_text(encoding="utf-8")
    path.write_text(with_fault(whole, fault), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(whole, encoding="utf-8")


def with_fault(source: str, fault: Fault) -> str:
    if source.count(fault.old) != 1:
        raise ValueError(
            f"{fault.file}: {fault.old!r} is there {source.count(fault.old)} times, expected once"
        )
    return source.replace(fault.old, fault.new)


def _all(trees: Sequence[Path], runs: Iterable[Run]) -> Iterator[Run]:
    """``runs`` as they end, one at a time in each of ``trees``. Left early, nothing of them stays behind."""
    free, waiting, busy = list(trees), iter(runs), dict[int, _Busy]()
    try:
        while True:
            while free and (run := next(waiting, None)) is not None:
                started = _Busy(run, free.pop())
                busy[started.child] = started
            if not busy:
                return
            child, status = os.wait()
            if child in busy:
                ended = busy.pop(child)
                free.append(ended.tree)
                yield ended.end(os.waitstatus_to_exitcode(status))
    finally:
        for child in busy:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)


class _Busy:
    """A run in a fork of this process, on the code of ``tree``, whatever is installed."""

    def __init__(self, run: Run, tree: Path) -> None:
        self.run, self.tree, self.start = run, tree, time.monotonic()
        self._put_in = contextlib.ExitStack()
        self._said: IO[bytes] = self._put_in.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        if run.fault is not None:
            self._put_in.enter_context(put_in(tree, run.fault))
        sys.stdout.flush()
        self.child = os.fork()
        if self.child == 0:
            _test_in(tree, run.tests, self._said.fileno())  # never comes back
        with contextlib.suppress(OSError):  # here and in the child, since nobody knows who is first
            os.setpgid(self.child, self.child)

    def end(self, code: int) -> Run:
        with self._put_in:
            self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - 2000))
            said = self._said.read().decode(errors="replace")
        return replace(self.run, code=code, said=said, seconds=time.monotonic() - self.start)


def _test_in(tree: Path, tests: Sequence[str], output: int) -> None:
    """In the forked process: forgets our own modules, so that those of ``tree`` are imported, and ends with pytest's code."""
    code = 3
    try:
        os.setpgid(0, 0)  # with what the tests start, so that all of it can be ended
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(tree)
        os.environ["PYTHONPATH"] = str(tree)
        sys.path[:] = [str(tree), *(place for place in sys.path if place and Path(place).resolve() != ROOT)]
        for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
            del sys.modules[name]
        sys.dont_write_bytecode = (
            True  # a file that changes twice within a second keeps its old bytecode otherwise
        )
        import pytest

        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _preload() -> None:
    """What takes seconds to import and is none of ours; threads stay unstarted, as a fork would lose them."""
    os.environ.update(NO_ALBUMENTATIONS_UPDATE="1", OMP_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1")
    for name in HEAVY.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main())
