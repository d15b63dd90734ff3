"""Do the tests notice? Each fault of ``fault_table.py`` put into a copy of the tree, alone, and the room's tests run on it.

    python -m benchmarks.deliberate_faults                  all of them
    python -m benchmarks.deliberate_faults --quick          one a file
    python -m benchmarks.deliberate_faults --only hue       those whose name or file has the word

The tree at hand is only read: the copy is in a temporary folder, and is removed. Each run of the tests is a fork of this process, which
has imported torch and the like once for all. First the same tests run on the copy as it is: on
tests that are red anyway every fault would seem to be noticed. Exit 0 when all were noticed, else 1.
"""

from __future__ import annotations

if __name__ == "__main__":
    from vision.messages.early import guard

    guard()

import argparse
import contextlib
import importlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.deliberate_faults.table import FAULTS, Fault

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


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.deliberate_faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--quick", action="store_true", help="one fault a file")
    parser.add_argument("--only", metavar="WORD", help="faults whose name or file has this in it")
    arguments = parser.parse_args(argv)
    chosen = [fault for fault in FAULTS if _wanted(fault, arguments.quick, arguments.only)]
    if not chosen:
        parser.error(f"--only {arguments.only}: no fault has that in its name or file")
    return run(chosen, ROOT)


def _wanted(fault: Fault, quick: bool, word: str | None) -> bool:
    return (fault.quick or not quick) and (word is None or word in f"{fault.name} {fault.file}")


def run(faults: Sequence[Fault], root: Path) -> int:
    """Prints a line a fault; 0 when all were noticed."""
    _preload()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        tree = copy_of(root, Path(folder) / "tree")
        tests = sorted({test for fault in faults for test in fault.tests.split()})
        code, said = _pytest(tree, tests)
        if code != 0:
            print(f"the tests are red without any fault, so that they say nothing:\n{said}", file=sys.stderr)
            return 1
        missed = [fault for fault in faults if not _noticed(tree, fault)]
    print(f"{len(faults) - len(missed)} of {len(faults)} faults noticed")
    return 1 if missed else 0


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


def _noticed(tree: Path, fault: Fault) -> bool:
    start = time.monotonic()
    with put_in(tree, fault):
        code, said = _pytest(tree, fault.tests.split())
    verdict = {NOTICED: "noticed", UNNOTICED: "NOT NOTICED"}.get(code, f"NOT RUN (pytest says {code})")
    print(f"{verdict:<12} {fault.file}: {fault.name} ({time.monotonic() - start:.0f} s)", flush=True)
    if code not in (NOTICED, UNNOTICED):
        print(said)
    return code == NOTICED


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


def _pytest(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Exit code, and the end of what was said; on the code of ``tree``, whatever is installed."""
    with tempfile.TemporaryFile() as said:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            _test_in(tree, tests)  # never comes back
        _, status = os.waitpid(child, 0)
        said.seek(max(0, said.seek(0, os.SEEK_END) - 2000))
        return os.waitstatus_to_exitcode(status), said.read().decode(errors="replace")


def _test_in(tree: Path, tests: Sequence[str]) -> None:
    """In the forked process: forgets our own modules, so that those of ``tree`` are imported, and ends with pytest's code."""
    code = 3
    try:
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
    sys.exit(main())
