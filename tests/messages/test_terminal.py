"""Terminals, widths, colours; words for counts and times."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import TextIO

import pytest

from vision.messages.terminal import can_show, clock_time, columns, counted, has_colours, is_terminal, painted


@pytest.fixture
def terminal() -> Iterator[TextIO]:
    leader, follower = os.openpty()
    with os.fdopen(follower, "w") as stream:
        yield stream
    os.close(leader)


@pytest.mark.parametrize(
    ("environment", "line", "colour"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),  # the rule says: not empty
        ({"TERM": "dumb"}, False, False),
        ({}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, False, True),
        ({"TERM": "xterm", "FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_what_a_terminal_is_asked_to_do(
    terminal: TextIO, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], line: bool, colour: bool
) -> None:
    for name in ("TERM", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (is_terminal(terminal), has_colours(terminal)) == (line, colour)
    assert ("\x1b" in painted("x", "red", terminal)) is colour


def test_a_file_has_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    stream = io.StringIO()
    assert not is_terminal(stream) and painted("x", "red", stream) == "x" and columns(stream) == 80
    stream.close()
    assert not is_terminal(stream)


def test_letters_that_an_encoding_lacks() -> None:
    assert not can_show("█", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    assert can_show("█", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (0, "image", "0 images"), (1, "image", "1 image"), (1234, "image", "1,234 images"),
        (1, "box", "1 box"), (2, "box", "2 boxes"), (2, "class", "2 classes"), (1, "training image", "1 training image"),
        (2, "other class", "2 other classes"), (2, "index", "2 indexes"), (2, "batch", "2 batches"), (2, "epoch", "2 epochs"),
        (2, "process", "2 processes"), (2, "key", "2 keys"), (2, "entry", "2 entries"), (2, "library", "2 libraries"),
    ],
)  # fmt: skip
def test_one_and_many(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(-1, "0:00:00"), (7.4, "0:00:07"), (3723, "1:02:03"), (183840, "2 d 03:04")]
)
def test_times(seconds: float, said: str) -> None:
    assert clock_time(seconds) == said
