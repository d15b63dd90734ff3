"""What people see while training: a banner, one progress bar (or plain lines), a table at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


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


class Console:
    """Everything that is said aloud; silent where ``quiet`` (other ranks than the first)."""

    def __init__(self, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.quiet = quiet
        self.bar: tqdm | None = None
        self.window, self.epoch = Clock(), Clock()
        self._first_step, self._began = 0, 0.0

    def say(self, text: str) -> None:
        if not self.quiet:
            (
                self.bar.write(text, file=self.stream)
                if self.bar is not None
                else print(text, file=self.stream)
            )
            self.stream.flush()

    def warn(self, text: str) -> None:
        self.say(f"warning: {text}")

    def banner(self, rows: Iterable[tuple[str, str]]) -> None:
        for label, value in rows:
            self.say(f"  {label:<15} {value}")

    def begin(self, done: int, steps: int) -> None:
        """``done`` of all the run's ``steps`` were made in earlier sessions."""
        self._first_step, self._began = done, time.perf_counter()
        if not self.quiet and self.stream.isatty():
            self.bar = tqdm(total=steps, initial=done, unit="step", dynamic_ncols=True, smoothing=0.05)
        self.total = steps

    def restart(self) -> None:
        """A new epoch begins."""
        self.window.restart()
        self.epoch.restart()

    def step(self, images: int) -> None:
        self.window.images += images
        self.epoch.images += images
        if self.bar is not None:
            self.bar.update()

    def progress(self, row: dict[str, Any]) -> None:
        """The window is over: rate, share of waiting, losses, learning rate, ETA."""
        clock = self.window
        loss = "nan" if row["loss"] is None else f"{row['loss']:.3f}"
        parts = (
            f"loss {loss}" + ("" if row["loss"] is None else
            f" (class {row['classification']:.3f}, box {row['localization']:.3f})"),
            f"lr {max(row['rate'].values()):.2e}",
            f"{clock.images_per_s:.1f} images/s",
            f"data {100 * clock.data_share:.0f} %",
        )  # fmt: skip
        if self.bar is not None:
            self.bar.set_description(f"epoch {row['epoch']}", refresh=False)
            self.bar.set_postfix_str("  ".join(parts))
        else:
            self.say(
                f"epoch {row['epoch']}  step {row['step']}/{self.total}  "
                + "  ".join(parts)
                + f"  ETA {self._eta(row['step'])}"
            )
        clock.restart()

    def _eta(self, step: int) -> str:
        made = max(1, step - self._first_step)
        left_s = int((time.perf_counter() - self._began) / made * (self.total - step))
        return f"{left_s // 3600}:{left_s // 60 % 60:02d}:{left_s % 60:02d}"

    def end(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def table(self, header: list[str], rows: list[list[str]]) -> None:
        """Right-aligned columns."""
        if not rows:
            return
        widths = [max(len(line[column]) for line in [header, *rows]) for column in range(len(header))]
        for line in [header, *rows]:
            self.say("  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
