"""Where strings end in the bytes of a JSON text, without parsing it.

Linear in time and constant in memory: a repeated group that may have to give back what it took remembers every round
(a gigabyte for 16 MiB of escapes), and the possessive repeats that do not are missing before Python 3.11. So every
repeated group here has a bound, and what is longer is walked over in steps.
"""

from __future__ import annotations

import mmap
import re

Text = bytes | mmap.mmap

_IN_STRING = re.compile(rb'(?:[^"\\]+|\\.){1,1000}', re.DOTALL)
_QUOTE = ord('"')


def end_of_string(text: Text, start: int, limit: int) -> int:
    """The offset behind the string whose opening quote is at ``start``; -1 where it does not end before ``limit``."""
    position = start + 1
    while match := _IN_STRING.match(text, position, limit):
        position = match.end()
    return position + 1 if position < limit and text[position] == _QUOTE else -1
