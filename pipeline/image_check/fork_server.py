"""Imported by the server of ``worker_pool`` and nobody else: refused a process it ends without a traceback of its own.

Whoever asked it for one says what happened.
"""

from __future__ import annotations

import sys
from types import TracebackType


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not isinstance(error, (BlockingIOError, MemoryError)):
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _end
