"""Signals that ask a run to save and leave. The handlers only set a flag; the loop looks at it between steps."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Ctrl-C; scheduler or ``kill``; preemption. Exit status 128 + number: 130, 143, 138."""


class StopRequest:
    """``with StopRequest() as stop:`` … ``stop.signal`` is the first signal that came, or None.

    A second Ctrl-C does not wait for the step: it raises KeyboardInterrupt. Outside the main thread, where
    Python allows no handlers, nothing is installed.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.agreed = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.signal == signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is None:
            self.signal = number

    @property
    def asked(self) -> bool:
        return self.signal is not None

    def agree(self, number: int) -> None:
        """All processes have told each other: one was asked to stop by signal ``number``; 0 = none was."""
        if number:
            self.signal, self.agreed = number, True

    @property
    def exit_status(self) -> int:
        return 128 + self.signal if self.signal is not None else 0
