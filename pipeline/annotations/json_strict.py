"""One JSON value, strictly: orjson, and the rules that it leaves open.

orjson refuses NaN, Infinity, numbers beyond a double, wrong UTF-8 and lone surrogates already. Added here: no key
twice in one object, no deep nesting, and whole numbers of more than 64 bits stay whole (orjson makes floats of them).
"""

from __future__ import annotations

import json
import re
from itertools import chain
from typing import Any

import orjson

MAX_DEPTH = 64
"""Levels of brackets in one value; a COCO annotation has 3."""

_NOT_JSON = re.compile(rb"-?Infinity|NaN")
_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 19
"""64 bits have 19 digits or 20."""
_HOLD_STRINGS = frozenset({str, dict, list})


class NotStrict(ValueError):
    """A text that is no strict JSON; ``at`` is the offset in it, ``problem`` says what is wrong."""

    def __init__(self, at: int, problem: str) -> None:
        super().__init__(problem)
        self.at, self.problem = at, problem


def loads(text: bytes) -> Any:
    """The value that ``text`` (UTF-8) encodes. Raises NotStrict."""
    return checked(text, _parsed(text))


def loads_run(inside: bytes, brackets: bytes = b"[]") -> Any:
    """The list or object that has ``inside`` between its ``brackets``, nothing in it too deep. Raises NotStrict."""
    text = b"%c%b%c" % (brackets[0], inside, brackets[1])
    values = _parsed(text)
    return values if _is_plain(text, values) else _slowly(text)


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _explained(text, error) from None


def checked(text: bytes, value: Any) -> Any:
    """``value``, which orjson made of ``text``, as the stricter rules want it. Raises NotStrict."""
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and (at := _too_deep(text)) >= 0:
        raise NotStrict(at, f"brackets are nested deeper than {MAX_DEPTH} levels")
    return value if _is_plain(text, value) else _slowly(text)


def _is_plain(text: bytes, value: Any) -> bool:
    """Whether no whole number can have become a float, and no key can have been lost.

    Every string has two quotes, so if the value has as many strings as the text has pairs of quotes, then no key
    was lost. Lists are looked into only where the strings outside them are too few; escaped quotes lead to the slow
    reader.
    """
    if _LONG_NUMBER in text.translate(_AS_ZEROS):
        return False
    if b"{" not in text:
        return True
    quotes = text.count(b'"')
    if type(value) is list and {*map(type, value)} == {dict}:
        strings = sum(map(len, value))
        if quotes != 2 * strings:  # images; in the usual annotations nothing is a text but their keys
            strings += list(map(type, chain.from_iterable(map(dict.values, value)))).count(str)
        if quotes == 2 * strings:
            return True
    outside_lists = sum(map(_strings, value)) if type(value) is list else _strings(value)
    return quotes == 2 * outside_lists or quotes == 2 * _all_strings([value])


def dumps(value: Any) -> bytes:
    """Compact JSON in UTF-8; never NaN."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a whole number of more than 64 bits
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _too_deep(text: bytes) -> int:
    """Where the first bracket below MAX_DEPTH others is in a valid text; −1 where there is none."""
    from pipeline.annotations.json_structure import levels  # numpy: few texts need it

    found = (positions[level > MAX_DEPTH] for positions, level in levels(text, 0, len(text)))
    return next((int(deep[0]) for deep in found if len(deep)), -1)


def _strings(value: Any) -> int:
    """Keys and texts, but for those in lists."""
    if type(value) is not dict:
        return int(type(value) is str)
    count = len(value)
    for inner in value.values():
        if type(inner) is str:
            count += 1
        elif type(inner) is dict:
            count += _strings(inner)
    return count


def _all_strings(value: Any) -> int:
    """Keys and texts wherever they are."""
    if type(value) is str:
        return 1
    if type(value) is dict:
        return len(value) + sum(
            _all_strings(inner) for inner in value.values() if type(inner) in _HOLD_STRINGS
        )
    return sum(_all_strings(inner) for inner in value if type(inner) in _HOLD_STRINGS)


def _slowly(text: bytes) -> Any:
    """The value by the standard library, which shows every key and keeps whole numbers."""
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise NotStrict(0, f'the key "{repeated[:80]}" comes twice')
    return found


def _explained(text: bytes, error: orjson.JSONDecodeError) -> NotStrict:
    at = error.pos
    if isinstance(error.doc, str):  # the position is one of characters, then
        at = len(error.doc[: error.pos].encode("utf-8", "replace"))
    named = _NOT_JSON.match(text, at - 1 if text[at - 1 : at] == b"-" else at)
    return NotStrict(at, f"{named.group().decode()} is not JSON" if named else error.msg)
