"""What a process says where a mapped file gives no bytes. The system ends it by SIGBUS then, and Python has no exception for it."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def told(words: str) -> Iterator[None]:
    """Inside the block a SIGBUS, in whatever thread, writes ``words`` to stderr and then ends the process as it would have.

    A handler of ``signal`` would never run: the instruction that failed is tried again before the interpreter comes to it. This one
    is called by the C library itself, at a read of memory, so that no lock of anybody is held but maybe the interpreter's, by the same thread.
    """
    if not hasattr(signal, "SIGBUS"):
        yield
        return
    line = words.encode(errors="replace") + b"\n"
    change = ctypes.CDLL(None).signal
    change.argtypes, change.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p

    def say(number: int) -> None:
        change(number, behind)  # what ends the process, when the instruction is tried again
        os.write(2, line)
        signal.raise_signal(number)  # also where somebody has sent it

    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(say)
    before = change(signal.SIGBUS, ctypes.cast(handler, ctypes.c_void_p))
    # another's handler in C, such as faulthandler's, says its own words; one in Python would come back here without end
    behind = before if signal.getsignal(signal.SIGBUS) in (signal.SIG_DFL, None) else None
    try:
        yield
    finally:
        change(signal.SIGBUS, before)
