"""The first thing that a program does, before its imports: whatever ends it early is a line or three, no traceback."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from types import TracebackType
from typing import NoReturn

from vision.messages.imports import said_of_import
from vision.messages.output import protect, words_are_the_result
from vision.messages.system_errors import NO_THREAD, said_of, said_of_no_thread

_status: int | None = None
"""What ``leave`` was told."""


def guard(only_prints: bool = False) -> None:
    """From now on, also while modules are imported: Ctrl-C, what the system refuses, and odd standard streams.

    ``only_prints``: see ``output.words_are_the_result``.
    """
    protect()
    atexit.register(_end)  # the first that is registered is the last that is called
    if only_prints:
        words_are_the_result()
    sys.excepthook = _said


def leave(status: int) -> NoReturn:
    """``sys.exit(status)`` for a program with torch: once everything is flushed and closed, it ends at once.

    The interpreter would take 2,900 modules and their 400,000 objects apart, which is 1.8 s of processor for nothing.
    """
    global _status
    _status = status
    sys.exit(status)


def _end() -> None:
    if _status is None:
        return
    with suppress(Exception):  # the interpreter meets it again and says it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status)


def not_a_command(instead: str) -> NoReturn:
    """For a module that people run because the command ``instead`` has a similar name. Leaves with 2."""
    name = os.path.basename(sys.argv[0])  # noqa: PTH119
    _print(f"error: {name} is a part of the program, not a command\n  fix: {instead} --help")
    sys.exit(2)


def _said(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stdout.flush()
        _print("interrupted; finished work is kept: run the same command to resume")
        os._exit(130)  # the interpreter would end by the signal itself
    if isinstance(error, OSError):
        _print(f"error: {said_of(error)}")
    elif isinstance(error, ImportError) and (said := said_of_import(error)):
        _print(f"error: {said}")
    elif isinstance(error, RuntimeError) and NO_THREAD in str(error):
        _print(f"error: {said_of_no_thread()}")
    elif isinstance(error, MemoryError):
        _print(
            "error: there is not enough memory\n  why: the system refused more of it\n  fix: end other programs, or use fewer --workers"
        )
    else:
        sys.__excepthook__(kind, error, trace)


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
