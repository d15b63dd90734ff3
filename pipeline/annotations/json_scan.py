"""Where strings end in the bytes of a JSON text, without parsing it.

Linear in time and constant in memory: a repeated group that may have to give back what it took remembers every round
(a gigabyte for 16 MiB of escapes), and the possessive repeats that do not are missing before Python 3.11. So every
repeated group here has a bound, and what is longer is walked over in steps.
"""

from __future__ import annotations

import codecs
import mmap
import re
from collections.abc import Callable

Text = bytes | mmap.mmap

_IN_STRING = re.compile(rb'(?:[^"\\]+|\\.){1,1000}', re.DOTALL)
_QUOTE = ord('"')

STEP = 1 << 20
_ESCAPE = (
    rb'\\(?:["\\/bfnrt]|u(?:[0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}'
    rb"|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))"
)
_SOUND = re.compile(rb'(?:[^"\\\x00-\x1f]+|%b){1,1000}' % _ESCAPE)


def end_of_string(text: Text, start: int, limit: int) -> int:
    """The offset behind the string whose opening quote is at ``start``; -1 where it does not end before ``limit``."""
    position = start + 1
    while match := _IN_STRING.match(text, position, limit):
        position = match.end()
    return position + 1 if position < limit and text[position] == _QUOTE else -1


def end_of_sound_string(text: Text, start: int, ask: Callable[[], None]) -> tuple[int, str]:
    """The offset behind the string of any length at ``start`` and "", or that of a fault in it and what is wrong."""
    decoder, position, held = codecs.getincrementaldecoder("utf-8")(), start + 1, 0
    while match := _SOUND.match(text, position, position + STEP):
        ask()
        try:
            decoder.decode(match.group())
        except UnicodeDecodeError as error:
            return position - held + error.start, "not UTF-8"
        position, held = match.end(), len(decoder.getstate()[0])  # the bytes of a letter that is cut there
    if position >= len(text):
        return start, "the file ends inside a string"
    if text[position] != _QUOTE:
        return position, "a control character or an escape that JSON does not know, in a string"
    if held:
        return position - held, "not UTF-8"
    return position + 1, ""
