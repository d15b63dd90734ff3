"""Imported by a fork server: a system that gives it one process and then no more."""

import errno
import os

_fork, _left = os.fork, [1]


def _refused() -> int:
    if not _left:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    _left.pop()
    return _fork()


os.fork = _refused
