"""The positions of brackets and commas in the bytes of a JSON text: a stretch at a time, by whole arrays.

A loop in Python over the brackets of 16 MiB of ``[],[],…`` takes a quarter of a minute, this a tenth of a second.
Every stretch begins outside of strings. What it says of a text that is no JSON does not matter: the parser refuses it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator

import numpy as np

from pipeline.annotations.json_scan import Text, end_of_string

FIRST, STRETCH = 4 << 10, 1 << 20
"""Bytes of the first stretch, since most values are short, and of the longest; each is twice the one before."""
PIECE = 8 << 10
"""Bytes that are parsed together: what a larger piece holds as Python values does not stay in the processor's cache."""

_QUOTE, _BACKSLASH, _COMMA = b'"\\,'
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1


def levels(
    text: Text, start: int, limit: int, ask: Callable[[], None] = lambda: None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(positions, levels) of the brackets outside strings, stretch by stretch; the level is that behind the bracket.

    Ends at ``limit``, or before a string that does not end before it. ``ask`` is called for every stretch.
    """
    level, position, size = 0, start, FIRST
    while position < limit:
        ask()
        stretch = np.frombuffer(text[position : min(position + size, limit)], np.uint8)
        quotes = _quotes(stretch)
        found = np.flatnonzero(_STEPS[stretch])
        found = found[np.searchsorted(quotes, found) % 2 == 0]
        after = level + np.cumsum(_STEPS[stretch[found]], dtype=np.int64)
        yield position + found, after
        level = int(after[-1]) if len(after) else level
        position, size = position + len(stretch), min(2 * size, STRETCH)
        if len(quotes) % 2:  # it ends inside a string
            position = end_of_string(text, position - len(stretch) + int(quotes[-1]), limit)
            if position < 0:
                return


def ends_of_pieces(text: bytes, most_levels: int) -> list[int]:
    """Where ``text``, the inside of a list or object from the beginning of an element, can be cut behind an element.

    About every ``PIECE`` bytes, the last one first; the end of the list is one of them. None where there is no such
    place, or something before the last one has more than ``most_levels`` of brackets.
    """
    stretch = np.frombuffer(text, np.uint8)
    quotes = _quotes(stretch)
    lower = stretch | 0x20  # [ and { are one byte then, ] and } another
    found = np.flatnonzero((lower == ord("{")) | (lower == ord("}")))
    found = found[np.searchsorted(quotes, found) % 2 == 0]
    level = np.cumsum(_STEPS[stretch[found]], dtype=np.int64)
    ended = np.flatnonzero(level < 0)[:1]
    if len(ended):
        found, level = found[: ended[0] + 1], level[: ended[0] + 1]
    behind = found[level <= 0] + (level[level <= 0] == 0)
    if not len(behind):
        commas = np.flatnonzero(stretch[: found[0] if len(found) else None] == _COMMA)
        behind = commas[np.searchsorted(quotes, commas) % 2 == 0]
    if not len(behind) or level[found < behind[-1]].max(initial=0) > most_levels:
        return []
    cuts: list[int] = behind[np.flatnonzero(np.diff(behind // PIECE, append=-1))[::-1]].tolist()
    return cuts


def still_open(
    before: list[tuple[int, int]], positions: np.ndarray, level: np.ndarray
) -> list[tuple[int, int]]:
    """(level, position) of the brackets that are open behind a stretch of ``levels``: of ``before``, and of its own."""
    if not len(level):
        return before
    lowest = np.minimum.accumulate(level[::-1])[::-1]
    opens = np.diff(level, prepend=before[-1][0]) > 0
    own = np.flatnonzero(opens & (level == lowest))
    kept = [each for each in before if each[0] <= lowest[0]]
    return kept + list(zip(level[own].tolist(), positions[own].tolist(), strict=True))


def any_twice(values: array[int] | np.ndarray) -> bool:
    """Whether a 64-bit number (type code ``q``) is there twice. They are sorted in place: there may be millions."""
    found = np.asarray(values)
    found.sort()
    return bool((found[1:] == found[:-1]).any())


def _quotes(stretch: np.ndarray) -> np.ndarray:
    """Positions of the quotes that begin and end strings: those after an even number of backslashes."""
    quotes = np.flatnonzero(stretch == _QUOTE)
    is_backslash = stretch == _BACKSLASH
    if not len(quotes) or not is_backslash.any():
        return quotes
    numbers = np.arange(len(stretch))
    last_other = np.maximum.accumulate(np.where(is_backslash, -1, numbers))
    before = np.where(quotes > 0, quotes - 1 - last_other[quotes - 1], 0)
    return quotes[before % 2 == 0]
