"""The progress line at every width, on a terminal and without one."""

from __future__ import annotations

import fcntl
import io
import os
import re
import struct
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vision.engine.training import console as console_module
from vision.engine.training.console import Console, progress_line

IMPORTANT = [("1,412 images/s", "1,412/s"), ("ETA 11:23:45", "11:23:45"), ("avg loss 14.123", "avg 14.123")]
MORE = ["epoch 30", "step 12,345/1,234,567", "class 12.345 box 1.234", "lr 1.00e-02", "data 12 %"]


def row(step: int, loss: float | None = 4.5) -> dict[str, Any]:
    return {
        "epoch": 0, "step": step, "loss": loss, "classification": 3.25, "localization": 1.25,
        "rate": {"heads": 0.01},
    }  # fmt: skip


@pytest.mark.parametrize("width", [20, 39, 40, 41, 60, 79, 80, 81, 100, 120, 200])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_it_fits_and_nothing_is_cut_in_two(width: int, share: float) -> None:
    line = progress_line(width, share, IMPORTANT, MORE)
    assert len(line) <= width - 1
    assert re.search(rf"{int(100 * share)} ?%", line)
    if width >= 40:
        assert all(long in line or short in line for long, short in IMPORTANT), line
    assert not re.sub("|".join(map(re.escape, [part for pair in IMPORTANT for part in pair] + MORE)), "", line).strip(
        "█░ %0123456789"
    ), line  # fmt: skip


def test_the_bar_comes_first_and_then_speed_time_and_loss() -> None:
    at_80, at_120 = (progress_line(width, 0.45, IMPORTANT, MORE) for width in (80, 120))
    for line in (at_80, at_120):
        assert re.match(r"█+░+  45 %  1,412 images/s  ETA 11:23:45  avg loss 14.123", line), line
    assert "epoch 30" in at_120 and "step 12,345" in at_120
    assert progress_line(40, 0.45, IMPORTANT, MORE) == "45% 1,412/s 11:23:45 avg 14.123"
    assert progress_line(80, 0.45, IMPORTANT, (), "#.").startswith("###")


class Terminal:
    """A pseudo-terminal of a width; what was written to it, and what stands on it in the end."""

    def __init__(self, width: int) -> None:
        self.leader, follower = os.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        self.stream = os.fdopen(follower, "w", encoding="utf-8")

    def written(self) -> str:
        self.stream.flush()
        os.set_blocking(self.leader, False)
        parts = []
        while True:
            try:
                parts.append(os.read(self.leader, 1 << 16))
            except BlockingIOError:
                return b"".join(parts).decode()

    def drawn(self) -> list[str]:
        """Each state of the line."""
        return [part for part in re.split(r"\r\x1b\[K|\r\n", self.written()) if part]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Terminal]]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(console_module, "REDRAW_S", 0.0)
    made: list[Terminal] = []

    def make(width: int) -> Terminal:
        made.append(Terminal(width))
        return made[-1]

    yield make
    for one in made:
        one.stream.close()
        os.close(one.leader)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_six_steps_on_a_terminal(terminal: Callable[[int], Terminal], width: int) -> None:
    """The loss stands there from the first step on; no drawing is as wide as the window, or it would wrap."""
    screen = terminal(width)
    console = Console(stream=screen.stream)
    console.begin(0, 6)
    console.restart()
    for step in range(1, 7):
        console.step(row(step, 4.5 + step), 8, speak=False)
    console.end()
    lines = [line for line in screen.drawn() if not line.startswith("first step")]
    assert len(lines) >= 6 and all(len(line) < width for line in lines)
    assert all(f"{4.5 + step:.3f}" in "\n".join(lines) for step in range(1, 7))
    assert "100" in lines[-1] and "0:00:0" in lines[-1] and "/s" in lines[-1]


def test_a_window_that_is_resized(terminal: Callable[[int], Terminal]) -> None:
    screen = terminal(120)
    console = Console(stream=screen.stream)
    console.begin(0, 100)
    console.step(row(1), 8, speak=False)
    wide = screen.drawn()[-1]
    fcntl.ioctl(screen.stream.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    console.step(row(2), 8, speak=False)
    assert len(wide) > 80 and len(screen.drawn()[-1]) < 40


def test_words_push_the_line_down(terminal: Callable[[int], Terminal]) -> None:
    screen = terminal(80)
    console = Console(stream=screen.stream)
    console.begin(0, 10)
    console.step(row(1), 8, speak=False)
    screen.written()
    console.warn("something")
    erased, drawn = screen.written().split("warning: something\r\n")
    assert erased == "\r\x1b[K" and "loss 4.500" in drawn
    console.end()
    assert screen.written() == "\r\x1b[K"


def test_a_validation_has_a_total_and_a_time_left(terminal: Callable[[int], Terminal]) -> None:
    screen = terminal(80)
    console = Console(stream=screen.stream)
    console.begin(0, 10)
    console.step(row(5), 8, speak=False)
    training = screen.drawn()[-1]
    with console.task("validation", 5000) as advance:
        for _ in range(5):
            advance(32)
            time.sleep(0.01)
    lines = screen.drawn()
    during = [line for line in lines if "validation" in line]
    assert re.search(r"  3 %  [\d.,]+ images/s  ETA 0:0\d:\d\d  validation  160/5,000 images", during[-1])
    assert lines[-1] == training, "the line of the training comes back"


def test_without_a_terminal_there_are_whole_lines_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    console = Console(stream=stream)
    console.begin(0, 6)
    console.restart()
    for step in range(1, 7):
        console.step(row(step), 8, speak=step == 6)
    monkeypatch.setattr(console_module, "PLAIN_S", 0.0)
    with console.task("validation", 8) as advance:
        advance(8)
    console.end()
    said = stream.getvalue()
    assert "\r" not in said and "\x1b" not in said
    first, done, *lines, validated = said.splitlines()
    assert "may take" in first and done.startswith("first step: done after ")
    assert [re.findall(r"step (\d)/6", line) for line in lines] == [["1"], ["6"]]
    assert all("images/s" in line and "ETA" in line and "loss 4.500" in line for line in lines)
    assert re.match(r"validation: 8 of 8 images  [–\d.,]+ images/s  ETA 0:00:00", validated)


@pytest.mark.parametrize(
    ("epoch", "said"), [(100, "about 0.2 min an epoch"), (900_000, "about 1,500 min an epoch"), (0, None)]
)
def test_the_time_of_an_epoch_is_told_once_after_ten_measured_steps(
    epoch: int, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.1 s a step; the first one, in which workers start, does not count, nor what is between two epochs."""
    now = [0.0]
    monkeypatch.setattr(console_module.time, "perf_counter", lambda: now[0])
    stream = io.StringIO()
    console = Console(stream=stream)
    console.begin(5, 1000, epoch=epoch)
    console.restart()
    for step in range(6, 40):
        if step == 14:
            console.restart()
        now[0] += 9 if step in (6, 14) else 0.1
        before = stream.getvalue()
        console.step(row(step), 8, speak=False)
        told = stream.getvalue().removeprefix(before)
        assert ("an epoch" in told) is (step == 24 and said is not None)
        assert step != 24 or said is None or said in told


def test_without_a_terminal_slow_steps_are_told_every_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--debug-steps`` may be hours away: 4 s a step, and a line every 32 s."""
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    stream = io.StringIO()
    console = Console(stream=stream)
    console.begin(0, 1000, 500)
    console.restart()
    for step in range(1, 25):
        now += 4.0
        console.step(row(step), 8, speak=False)
    lines = [line for line in stream.getvalue().splitlines() if "step " in line and "first" not in line]
    assert [re.findall(r"step ([\d,]+)/1,000", line) for line in lines] == [["1"], ["9"], ["17"]]
    assert all("2.0 images/s  ETA 1:0" in line for line in lines[1:]), lines


def test_the_loss_is_the_mean_over_the_steps_that_the_first_line_names() -> None:
    stream = io.StringIO()
    console = Console(stream=stream)
    console.begin(0, 6, 3)
    for step, loss in enumerate([8.0, 1.0, 2.0, 6.0, None, 1.0], start=1):
        console.step(row(step, loss), 8, speak=True)
    said = stream.getvalue()
    assert "losses are means over the last 3 steps" in said
    assert re.findall(r"avg loss (\S+)", said) == ["8.000", "4.500", "3.667", "3.000", "nan", "3.000"]


def test_a_loss_that_is_not_finite_and_an_encoding_without_blocks() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    console = Console(stream=stream)
    console.begin(0, 2)
    console.step(row(1, None), 8, speak=True)
    stream.flush()
    assert b"loss nan" in stream.buffer.getvalue()  # type: ignore[attr-defined]


def test_other_processes_than_the_first_say_nothing() -> None:
    stream = io.StringIO()
    console = Console(quiet=True, stream=stream)
    console.begin(0, 2)
    console.step(row(1), 8, speak=True)
    with console.task("validation", 8) as advance:
        advance(8)
    console.warn("x")
    console.end()
    assert stream.getvalue() == ""


def test_a_short_first_epoch_tells_its_loss(
    train: Callable[..., int], tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four steps an epoch, a line every ten: the first step and the end of each epoch are told all the same."""
    line = ["--debug-steps=10", "--epochs=1", "--checkpoint-folder", str(tmp_path / "run")]
    assert train(*tiny, *line) == 0
    said = capsys.readouterr().out
    assert said.startswith("importing torch …\n")
    assert re.findall(r"^epoch 0  step (\d)/4 .*loss \d", said, re.M) == ["1", "4"]
