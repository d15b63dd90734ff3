"""Whom a stream speaks to: a terminal with its width and colours, or a file; and words for counts and times.

Standard library only. A line that is drawn over itself is for terminals that can move the cursor (not TERM=dumb).
Colours: NO_COLOR switches them off (https://no-color.org), FORCE_COLOR on, else they are for such terminals.
"""

from __future__ import annotations

import os
from typing import TextIO

COLOURS = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "dim": "2"}
DEFAULT_WIDTH = 80
_PLURALS = {"library": "libraries", "entry": "entries"}
_HISSING = ("s", "x", "tch", "sh")
_VERBS = {"is": "are", "was": "were", "has": "have"}


def is_terminal(stream: TextIO) -> bool:
    """A line can be drawn over itself there."""
    try:
        return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
    except ValueError:  # closed
        return False


def has_colours(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal(stream)


def painted(text: str, colour: str, stream: TextIO) -> str:
    """``text`` in one of ``COLOURS`` where ``stream`` has them, else as it is."""
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if has_colours(stream) else text


def columns(stream: TextIO) -> int:
    """The width now; it is asked for each time, since windows are resized."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_WIDTH
    except (OSError, ValueError):
        return DEFAULT_WIDTH


def can_show(text: str, stream: TextIO) -> bool:
    """Whether the encoding of ``stream`` has these letters."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeError, LookupError):
        return False
    return True


def counted(number: int, noun: str, verb: str = "") -> str:
    """``1 image``, ``2 images``, ``1,234 boxes``, of the noun for one; with the verb ``is`` also ``1 image is``, ``2 images are``."""
    behind = f" {verb}" if verb else ""
    if number == 1:
        return f"1 {noun}{behind}"
    head, _, last = noun.rpartition(" ")
    many = _PLURALS.get(last, last + ("es" if last.endswith(_HISSING) else "s"))
    behind = f" {_VERBS.get(verb, verb.removesuffix('s'))}" if verb else ""
    return f"{number:,} {head + ' ' if head else ''}{many}{behind}"


def clock_time(seconds: float) -> str:
    """``0:00:07``, ``1:02:03``, ``2 d 03:04``."""
    whole = max(0, round(seconds))
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours:02d}:{minutes:02d}"
    return f"{hours}:{minutes:02d}:{whole % 60:02d}"
