"""What ends a stage early."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType


class Interrupted(Exception):
    """A stage stopped between two items because it was asked to; what it has done so far is kept."""


class Stop:
    """Whether to end early. Inside ``with`` SIGINT and SIGTERM ask for it; nothing else happens in their handler.

    ``asked``: somebody else who may ask, too.
    """

    def __init__(self, asked: Callable[[], bool] = lambda: False) -> None:
        self.signal: int | None = None
        self._asked = asked

    def wanted(self) -> bool:
        return self.signal is not None or self._asked()

    def check(self, _read: int = 0) -> None:
        """Raises Interrupted when asked to stop; between items, and as what is called with bytes that were read."""
        if self.wanted():
            raise Interrupted

    def __enter__(self) -> Stop:
        self._before = {
            number: signal.signal(number, self._set) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _set(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number


NEVER = Stop()
"""Nobody asks to stop."""


class StageError(Exception):
    """A stage cannot continue. ``what`` is wrong, ``why``, and how to ``fix`` it: three lines for people."""

    def __init__(self, what: str, why: str, fix: str) -> None:
        super().__init__(f"{what}\n  why: {why}\n  fix: {fix}")
        self.what, self.why, self.fix = what, why, fix


class NoSuchChoice(StageError):
    """What was chosen on the command line cannot be had in this root, and is not remembered for it."""
