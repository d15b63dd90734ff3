"""The digest of a file that is arriving, made of its bytes from the start on while the rest comes in."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable

from pipeline.transfer.partial import PartialFile, Segment

BLOCK = 1 << 20
LOOK_S = 0.01


class RunningDigest:
    """Follows ``part`` by a thread of its own; ``finish`` reads what is left and gives the digest in hex.

    The bytes are read back from the file, in order and without a gap, each of them once. A part that begins anew is
    followed anew: its spans are other objects then.
    """

    def __init__(self, part: PartialFile, name: str) -> None:
        self._part, self._name = part, name
        self._spans: list[Segment] | None = None
        self._hash = hashlib.new(name, usedforsecurity=False)
        self._position = 0
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Follows no longer. Returns when the thread has ended."""
        self._leave.set()
        self._thread.join()

    def finish(self, check: Callable[[], None]) -> str:
        """The digest of the whole file; ``check`` is called after each block and may raise. OSError: unreadable."""
        self.leave()
        self._begin_where_anew()
        with self._part.path.open("rb") as stream:
            stream.seek(self._position)
            while block := stream.read(BLOCK):
                self._hash.update(block)
                check()
        return self._hash.hexdigest()

    def _follow(self) -> None:
        while not self._leave.wait(LOOK_S):
            self._begin_where_anew()
            try:
                self._catch_up()
            except OSError:  # not there yet, or taken away: ``finish`` reads again, and tells
                self._spans = None

    def _begin_where_anew(self) -> None:
        if self._spans is not self._part.spans:
            self._spans, self._position = self._part.spans, 0
            self._hash = hashlib.new(self._name, usedforsecurity=False)

    def _catch_up(self) -> None:
        """Everything that stands without a gap, unless the part begins anew meanwhile."""
        spans = self._spans
        if spans is None or _without_gap(spans) - self._position < BLOCK:
            return
        with self._part.path.open("rb", buffering=0) as stream:
            while not self._leave.is_set() and _without_gap(spans) - self._position >= BLOCK:
                block = os.pread(stream.fileno(), BLOCK, self._position)
                if self._part.spans is not spans or len(block) < BLOCK:
                    return
                self._hash.update(block)
                self._position += BLOCK


def _without_gap(spans: list[Segment]) -> int:
    """Bytes from the start of the file that are all there."""
    for span in spans:
        if not span.complete:
            return span.position
    return spans[-1].position if spans else 0
