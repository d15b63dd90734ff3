"""Results into what is no file of ours: ``-`` and other names of a stream that the shell has opened, and /dev/null."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_STREAMS = {"-": 1, "/dev/stdout": 1, "/dev/stderr": 2}
_STREAM = re.compile(r"/(?:dev|proc/(?:self|thread-self))/fd/(\d{1,9})")


def is_sink(path: Path) -> bool:
    """Whether it is written to and never replaced."""
    return str(path) == os.devnull or stream_of(path) is not None


def stream_of(path: Path) -> int | None:
    """The descriptor that ``path`` is a name of; those that this program has opened itself are none."""
    named = _STREAM.fullmatch(str(path))
    number = int(named[1]) if named else _STREAMS.get(str(path))
    with suppress(OSError):
        if number is not None and os.get_inheritable(number):
            return number
    return None


def write_into_sink(path: Path, pieces: Iterable[str]) -> None:
    """The pieces, one after the other, into the sink ``path``; none where it is /dev/null."""
    stream = stream_of(path)
    if stream == 1:
        sys.stdout.writelines(pieces)
    elif stream is not None:
        with os.fdopen(os.dup(stream), "w", encoding="utf-8") as file:
            file.writelines(pieces)
