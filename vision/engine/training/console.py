"""What people see while training: a banner, one progress line (or plain lines now and then), a table at the end.

On a terminal one line is drawn over itself: the bar first, then the speed, the time left and the loss; what else there
is room for comes behind them, and on a narrow window the bar goes before any of those three (``progress_line``).
Elsewhere (a file, a pipe, TERM=dumb) whole lines are printed: every so many steps, and at least every half a minute.
Losses are means over the last ``--debug-steps`` steps, as the first line says; each step's own is in ``metrics.jsonl``.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO, TypeVar

from vision.messages.terminal import can_show, clock_time, columns, counted, is_terminal, painted

Item = TypeVar("Item")
REDRAW_S, PLAIN_S = 0.1, 30.0
"""Seconds between two drawings on a terminal, at least, and between two lines elsewhere: of a task at least, of steps at most."""
RECENT_S = 20.0
"""The speed that is shown is that of this long, or of the last two steps."""
MEASURED = 10
"""Steps behind the first one from which the time of an epoch is told."""
BAR, LEAST_BAR = 30, 6
"""Cells of a bar: at most and at least; where less is free there is none."""


@dataclass
class Clock:
    """Time spent, and the part of it spent waiting for data, in seconds."""

    waiting_s: float = 0.0
    images: int = 0
    _start: float = 0.0

    def restart(self) -> None:
        self.waiting_s, self.images, self._start = 0.0, 0, time.perf_counter()

    @property
    def elapsed_s(self) -> float:
        return time.perf_counter() - self._start

    @property
    def images_per_s(self) -> float:
        return self.images / max(self.elapsed_s, 1e-9)

    @property
    def data_share(self) -> float:
        """Part of the time that went into waiting for the next batch, in [0, 1]."""
        return min(1.0, self.waiting_s / max(self.elapsed_s, 1e-9))


def timed(items: Iterable[Item], clocks: Iterable[Clock]) -> Iterator[Item]:
    """``items``, with the time that each takes to come added to every clock's ``waiting_s``."""
    clocks, source = list(clocks), iter(items)
    while True:
        asked = time.perf_counter()
        try:
            item = next(source)
        except StopIteration:
            return
        for clock in clocks:
            clock.waiting_s += time.perf_counter() - asked
        yield item


class Recent:
    """Speed over the last seconds: a pause (a validation, a checkpoint) is forgotten soon."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, count: int) -> None:
        now = time.perf_counter()
        self._seen.append((now, count))
        while len(self._seen) > 2 and now - self._seen[0][0] > RECENT_S:
            self._seen.popleft()

    @property
    def per_s(self) -> float | None:
        """None before the second one has come."""
        if len(self._seen) < 2:
            return None
        span = self._seen[-1][0] - self._seen[0][0]
        return sum(count for _, count in list(self._seen)[1:]) / max(span, 1e-9)


Part = tuple[str, str]
"""What a part says where there is room, and where there is little."""


def progress_line(
    width: int, share: float, important: Sequence[Part], more: Sequence[str] = (), cells: str = "█░"
) -> str:
    """At most ``width`` − 1 characters: bar, percentage, all of ``important``, then as many of ``more`` as fit.

    Where room is short the bar goes first, then the second space between the parts, then their long forms; what still
    does not fit is left out whole, from the end.

    * share: done, in [0, 1]
    * cells: a full and an empty cell
    """
    room, percent = width - 1, int(100 * share)
    parts = [f"{percent:3d} %", *(long for long, _ in important)]
    for part in more:
        if LEAST_BAR + 1 + len("  ".join([*parts, part])) > room:
            break
        parts.append(part)
    text = "  ".join(parts)
    bar = min(BAR, room - len(text) - 1)
    if bar >= LEAST_BAR:
        full = int(bar * share)
        return f"{cells[0] * full}{cells[1] * (bar - full)} {text}"
    short = [f"{percent}%", *(short for _, short in important)]
    while len(short) > 1 and len(" ".join(short)) > room:
        short.pop()
    return next(
        line
        for line in (text, " ".join(parts), " ".join(short))
        if len(line) <= room or line == " ".join(short)
    )


class Console:
    """Everything that is said aloud; silent where ``quiet`` (other ranks than the first)."""

    def __init__(self, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.quiet = quiet
        self.drawing = not quiet and is_terminal(self.stream)
        self.window, self.epoch = Clock(), Clock()
        self.total = 0
        self._cells = "█░" if can_show("█░", self.stream) else "#."
        self._line, self._drawn_s = "", 0.0
        self._first_step, self._first_s, self._said_s = 0, 0.0, 0.0
        self._finite: deque[dict[str, Any]] = deque()
        self._began_s: float | None = None
        self._uncompiled_s: float | None = None
        self._measured_from: tuple[int, float] | None = None
        self._epoch_steps = 0
        self._recent = Recent()

    # -- whole lines

    def say(self, text: str) -> None:
        if self.quiet:
            return
        self._erase()
        print(text, file=self.stream)
        if self._line:
            self._draw(self._line)
        self.stream.flush()

    def warn(self, text: str) -> None:
        self.say(f"{painted('warning:', 'yellow', self.stream)} {text}")

    def banner(self, rows: Iterable[tuple[str, str]]) -> None:
        for label, value in rows:
            self.say(f"  {painted(f'{label:<15}', 'bold', self.stream)} {value}")

    def good(self, text: str) -> None:
        self.say(painted(text, "green", self.stream))

    def table(self, header: list[str], rows: list[list[str]]) -> None:
        """Right-aligned columns."""
        if not rows:
            return
        widths = [max(len(line[column]) for line in [header, *rows]) for column in range(len(header))]
        for line in [header, *rows]:
            self.say("  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))

    # -- the line that is drawn over itself

    def _draw(self, line: str) -> None:
        self._line, self._drawn_s = line, time.perf_counter()
        self.stream.write(f"\r\x1b[K{line}")
        self.stream.flush()

    def _erase(self) -> None:
        if self._line:
            self.stream.write("\r\x1b[K")

    def _redraw(self, share: float, important: Sequence[Part], more: Sequence[str], last: bool) -> None:
        if last or time.perf_counter() - self._drawn_s >= REDRAW_S:
            self._draw(progress_line(columns(self.stream), share, important, more, self._cells))

    def end(self) -> None:
        """No line is drawn any more; what was said stays."""
        self._erase()
        self._line = ""
        if self.drawing:
            self.stream.flush()

    # -- training

    def begin(
        self, done: int, steps: int, averaged: int = 1, epoch: int = 0, uncompiled_s: float | None = None
    ) -> None:
        """``done`` of all the run's ``steps`` were made in earlier sessions; losses are means of the last ``averaged``.

        ``epoch``: steps of one, whose time is told when some are measured; 0 tells nothing. ``uncompiled_s``: seconds of a step
        that is not compiled, where these are; from how many on that was worth it is told then, too.
        """
        self._epoch_steps, self._uncompiled_s = epoch, uncompiled_s
        self._first_step, self.total = done, steps
        self._finite = deque(maxlen=averaged)
        self._first_s = time.perf_counter()
        self._began_s = None
        if done < steps:
            self.say("first step: workers start, memory is allocated; this may take half a minute …")

    def restart(self) -> None:
        """A new epoch begins."""
        self._measured_from = None
        self.window.restart()
        self.epoch.restart()

    def step(self, row: dict[str, Any], images: int, speak: bool) -> None:
        """A step is done; ``speak``: where nothing can be drawn, it is time for a line."""
        for clock in (self.window, self.epoch):
            clock.images += images
        self._recent.add(images)
        if row["loss"] is not None:
            self._finite.append(row)
        now = time.perf_counter()
        if self._began_s is None:
            self._began_s, self._first_step = now, row["step"]
            window = self._finite.maxlen or 1
            means = f"; losses are means over the last {window} steps" if window > 1 else ""
            self.say(f"first step: done after {now - self._first_s:.1f} s{means}")
            speak = True
        self._measure(row["step"], now)
        speak = speak or (not self.drawing and now - self._said_s >= PLAIN_S)
        if self.drawing:
            important, more = self._said_of(row, self._recent.per_s)
            share = row["step"] / max(1, self.total)
            self._redraw(share, important, more, last=row["step"] == self.total)
        elif speak:
            speed = self.window.images_per_s if row["step"] > self._first_step else None
            important, more = self._said_of(row, speed)
            self.say("  ".join([*more[:2], *(long for long, _ in important), *more[2:]]))
        if speak:
            self._said_s = now
            self.window.restart()

    def _measure(self, step: int, now: float) -> None:
        """Says the time of an epoch once, by steps of one epoch, so that no validation is among them."""
        begun, began = self._measured_from = self._measured_from or (step, now)
        if step - begun == MEASURED and self._epoch_steps:
            seconds = (now - began) / MEASURED * self._epoch_steps
            time_ = f"{seconds / 60:,.0f} min" if seconds >= 600 else f"{seconds / 60:.1f} min"
            self.say(f"about {time_} an epoch, without its validation")
            self._epoch_steps = 0
            if self._uncompiled_s is not None and self._began_s is not None:
                self.say(worth(self._began_s - self._first_s, (now - began) / MEASURED, self._uncompiled_s))

    def _said_of(self, row: dict[str, Any], images_per_s: float | None) -> tuple[list[Part], list[str]]:
        """What is always in the line, and what is where there is room."""
        loss, eta = "nan" if row["loss"] is None else f"{self._mean('loss'):.3f}", self._eta(row["step"])
        important = [_speed(images_per_s, "image"), (f"ETA {eta}", eta), (f"avg loss {loss}", f"avg {loss}")]
        more = [f"epoch {row['epoch']}", f"step {row['step']:,}/{self.total:,}"]
        if row["loss"] is not None:
            more.append(f"class {self._mean('classification'):.3f} box {self._mean('localization'):.3f}")
        more += [f"lr {max(row['rate'].values()):.2e}", f"data {100 * self.window.data_share:.0f} %"]
        return important, more

    def _mean(self, part: str) -> float:
        return sum(row[part] for row in self._finite) / len(self._finite)

    def _eta(self, step: int) -> str:
        """From the steps of this session behind the first one, validations and checkpoints among them."""
        made = step - self._first_step
        if self._began_s is None or made < 1:
            return "–"
        return clock_time((time.perf_counter() - self._began_s) / made * (self.total - step))

    # -- anything else that takes long: a validation, an evaluation

    @contextmanager
    def task(self, title: str, total: int, noun: str = "image") -> Iterator[Callable[[int], None]]:
        """Gives a function to be called with the number of items that are done more.

        On a terminal a line with bar, speed and time left; elsewhere a whole line every half a minute.
        """
        before, began, said = self._line, time.perf_counter(), time.perf_counter()
        recent, done = Recent(), 0
        recent.add(0)

        def advance(count: int) -> None:
            nonlocal done, said
            done += count
            recent.add(count)
            now = time.perf_counter()
            eta = clock_time((now - began) / max(done, 1) * max(0, total - done))
            important = [_speed(recent.per_s, noun), (f"ETA {eta}", eta), (title, title)]
            if self.drawing:
                share = min(1.0, done / max(1, total))
                self._redraw(share, important, [f"{done:,}/{counted(total, noun)}"], last=done >= total)
            elif now - said >= PLAIN_S:
                said = now
                speed, left = (long for long, _ in important[:2])
                self.say(f"{title}: {done:,} of {counted(total, noun)}  {speed}  {left}")

        try:
            yield advance
        finally:
            self.end()
            if before and self.drawing:
                self._draw(before)


def worth(first_s: float, step_s: float, uncompiled_s: float) -> str:
    """What compiling costs and gains: seconds of the first step, of one behind it, and of one that is not compiled."""
    took, gained = max(0.0, first_s - step_s), uncompiled_s - step_s
    said = f"--compile: took {took:.0f} s; a step takes {step_s:.3g} s with its data, {uncompiled_s:.3g} s without compiling"
    if gained <= 0:
        return f"{said}: not worth it here"
    return f"{said}: worth it from {counted(math.ceil(took / gained), 'step')} on"


def _speed(per_s: float | None, noun: str) -> Part:
    """Tenths only where they say something."""
    number = "–" if per_s is None else f"{per_s:.1f}" if per_s < 100 else f"{per_s:,.0f}"
    return f"{number} {noun}s/s", f"{number}/s"
