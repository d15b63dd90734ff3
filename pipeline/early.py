"""Ctrl-C before a program has got as far as its own signal handling: one line and 130, no traceback."""

from __future__ import annotations

import os
import sys
from types import TracebackType


def guard() -> None:
    """From now on, also while modules are imported. For the top of a program, where nothing has begun yet."""
    sys.excepthook = _said


def _said(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    sys.stdout.flush()
    print(
        "interrupted; what is done is kept, the same command goes on from there", file=sys.stderr, flush=True
    )
    os._exit(130)  # the interpreter would end by the signal itself
