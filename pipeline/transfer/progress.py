"""How far a transfer is: a bar on a terminal; elsewhere, as in a log, a plain line every ten seconds."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

from pipeline.bar import bar

EVERY_S = 10.0
AT_ONCE = 1 << 20
"""More bytes than one read gives: they were here before, or have to come again, and say nothing of the rate."""


class Progress:
    """Counts bytes, from any thread; ``total`` None where nobody knows. A context manager."""

    def __init__(self, what: str, total: int | None, say: Callable[[str], None]) -> None:
        self.what, self.total, self.say = what, total, say
        self.here = self._arrived = 0
        self._began = self._said = time.monotonic()
        self._since = 0
        self._lock = threading.Lock()
        self._bar = bar(what, total, dynamic_ncols=True) if sys.stderr.isatty() else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, received: int) -> None:
        """``received`` more bytes are here; negative where some have to come again."""
        with self._lock:
            self.here += received
            if 0 < received < AT_ONCE:
                self._arrived += received
                self._since += received
            if self._bar is not None:
                self._bar.update(received)
            elif (now := time.monotonic()) - self._said >= EVERY_S:
                line = self._line(now)
                self._said, self._since = now, 0
                self.say(line)

    def expect(self, total: int) -> None:
        """So many bytes come in all, told after the beginning."""
        with self._lock:
            self.total = total
            if self._bar is not None:
                self._bar.total = total

    def _line(self, now: float) -> str:
        parts = [f"{self.what}: {size(self.here)}"]
        if self.total:
            parts = [f"{self.what}: {100 * self.here / self.total:.1f} % of {size(self.total)}"]
        parts.append(f"{size(self._since / (now - self._said))}/s")
        if self.total and self._arrived:
            left_s = int((self.total - self.here) * (now - self._began) / self._arrived)
            parts.append(f"ETA {left_s // 3600}:{left_s // 60 % 60:02d}:{left_s % 60:02d}")
        return "  ".join(parts)


def size(count: float) -> str:
    """``815.6 MB``."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.1f} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1000
    return f"{count:.2f} GB"
