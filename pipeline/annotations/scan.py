"""The bytes of an annotation file: where values begin and end, and errors that name file, line and key.

The file is mapped, not read: pages that were passed are given back, so memory does not grow with the file.
"""

from __future__ import annotations

import mmap
import os
import re
import stat
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import orjson

from pipeline.annotations import json_strict
from pipeline.annotations.json_scan import end_of_sound_string, end_of_string
from pipeline.annotations.json_strict import MAX_DEPTH, NotStrict
from pipeline.stop import NEVER, Stop
from vision.artefacts.records import BYTE_ORDER_MARK, NOT_UTF8, is_no_utf8

MAX_ELEMENT_BYTES = 16 << 20
"""Bytes of one element that somebody wants, and of a number; the largest element of COCO has about 40,000."""
RELEASE_BYTES = 32 << 20
RUN_BYTES = 256 << 10
"""Bytes of elements that are parsed together where nobody needs them one by one; what is longer is taken apart."""
FIRST_RUN_BYTES = 1 << 10
"""The first of them inside of what is taken apart, and twice as many each time: an end that is near costs little."""
MAX_KEY_BYTES = 256
QUICK_TRIES = 4
_BLANKS = b" \t\n\r"
_CLOSING = {b"[": b"]", b"{": b"}"}

_SPACE = re.compile(rb"[ \t\n\r]*")
_SCALAR = re.compile(rb"[^,\]}\[{:\" \t\n\r]*")


class Place(Protocol):
    """A top-level key, where its value begins, and up to where it was read."""

    key: str
    start: int
    end: int


class AnnotationError(ValueError):
    """An annotation file cannot be read; one line: file, line, key, what is wrong."""


class AnnotationBytes:
    """The mapped file and how to walk over it; offsets are in bytes from its start.

    ``stop`` is asked all the way; when it says so, Interrupted is raised. Raises AnnotationError for anything
    but a regular file, and OSError when it cannot be opened.
    """

    def __init__(self, path: Path, stop: Stop = NEVER) -> None:
        self.path, self._stop = path, stop
        self._released = 0
        self._open: frozenset[int] = frozenset()
        self._data = _map(path)
        self.size = len(self._data)

    def close(self) -> None:
        if isinstance(self._data, mmap.mmap):
            self._data.close()

    def ask(self) -> None:
        """Raises Interrupted when asked to stop."""
        self._stop.check()

    def error(self, offset: int, key: str, problem: str) -> AnnotationError:
        """The error for ``problem`` at byte ``offset``."""
        where = f"line {self._line(offset)}" + (
            f", {key if key.isprintable() else repr(key)[1:-1]}" if key else ""
        )
        return AnnotationError(f"{self.path}: {where}: {problem} (byte {offset:,})")

    def _line(self, offset: int) -> int:
        step = RELEASE_BYTES
        return 1 + sum(self._data[a : min(a + step, offset)].count(b"\n") for a in range(0, offset, step))

    # Single bytes

    def byte(self, position: int) -> bytes:
        """One byte, or none at the end of the file."""
        return self._data[position : position + 1]

    def space(self, position: int) -> int:
        """Where the blanks that begin at ``position`` end."""
        if self._data[position : position + 1] not in _BLANKS:
            return position
        while self._data[position : position + 1] in _BLANKS and position < self.size:
            self.ask()
            match = _SPACE.match(self._data, position, position + RELEASE_BYTES)
            position = match.end() if match else position
            self._release_passed(position)
        return position

    def expect(self, position: int, byte: bytes, place: str, wanted: str) -> int:
        """The offset behind ``byte``, which has to be at ``position``."""
        if self.byte(position) != byte:
            raise self.unexpected(position, place, wanted)
        return position + 1

    def unexpected(self, position: int, place: str, wanted: str) -> AnnotationError:
        found = self._data[position : position + 20]
        if not found:
            return self.error(position, place, f"the file ends where {wanted} was expected")
        shown = found.decode("utf-8", "replace")
        return self.error(position, place, f"expected {wanted}, found {shown!r}")

    def first(self) -> int:
        """Where the text begins. Raises AnnotationError for an empty file, and what is no UTF-8 from its first bytes."""
        if not self._data[:4096].strip():
            blank = "the file is empty" if self.size <= 4096 else "starts with nothing but blanks"
            raise self.error(0, "", blank)
        if is_no_utf8(self._data[:4]):
            raise self.error(0, "", NOT_UTF8)
        return self.space(len(BYTE_ORDER_MARK) if self._data[:3] == BYTE_ORDER_MARK else 0)

    def mentions(self, text: bytes, window: int) -> Iterator[int]:
        """Where ``text`` ends: its last place in the last ``window`` bytes, its first one in the first."""
        for found in (self._data.rfind(text, max(0, self.size - window)), self._data.find(text, 0, window)):
            if found >= 0:
                yield found + len(text)

    # Values

    def key(self, position: int, most: int = MAX_KEY_BYTES) -> tuple[str, int]:
        """The key of an object that begins at ``position``, and the offset of its value."""
        if self.byte(position) != b'"':
            raise self.unexpected(position, "", "a key in double quotes")
        end = end_of_string(self._data, position, min(position + most, self.size))
        if end < 0 and position + most >= self.size:
            raise self.unexpected(position, "", "a key in double quotes")
        if end < 0:
            raise self.error(position, "", f"a key of more than {most} bytes")
        key: str = self.loads(position, end, "")
        return key, self.space(self.expect(self.space(end), b":", key, "a colon"))

    def elements(self, part: Place) -> Iterator[Any]:
        """Elements of the list at ``part.start``; ``part.end`` is the offset up to which the list was read."""
        key, position, index, pieces = part.key, self.space(part.start + 1), 0, _Pieces(self)
        if self.byte(position) == b"]":
            return
        while position >= 0:
            values, part.end = pieces.take(position)
            if values is None:
                value, part.end = self.element(key, position, index)
                values = (value,)
            yield from values
            index += len(values)
            position = self._next(part.end, b"]", f"{key}[{index - 1}]")

    def _next(self, end: int, closing: bytes, place: str) -> int:
        """Where what follows the comma behind ``end`` begins; −1 where ``closing`` stands there instead."""
        position = self.space(end)
        after = self.byte(position)
        if after == closing:
            return -1
        if after != b",":
            of = "list" if closing == b"]" else "object"
            raise self.unexpected(position, place, f"a comma or the end of the {of}")
        position = self.space(position + 1)
        self._release_passed(position)
        return position

    def ends_of_pieces(self, start: int, most: int, levels: int) -> list[int]:
        """Offsets behind elements of the list or object at ``start`` in the next ``most`` bytes, the last one first."""
        from pipeline.annotations.json_structure import ends_of_pieces  # numpy: --help does not wait for it

        self.ask()
        return [start + end for end in ends_of_pieces(self._data[start : start + most], levels)]

    def piece(self, start: int, end: int, brackets: bytes) -> Any:
        """The list or dict of the elements ``start:end``; None where there are none, or it is no strict JSON."""
        try:
            return json_strict.loads_run(self._data[start:end], brackets) or None
        except NotStrict:
            return None

    # What nobody has a use for

    def pass_over(self, place: str, start: int, depth: int = 0) -> int:
        """The offset behind the value at ``start``, which is checked as strictly as one that is read.

        What is longer than ``RUN_BYTES`` is taken apart: whatever its size, memory does not grow with it but for 10
        bytes a key of one object, and time grows with it alone. ``depth``: levels of brackets that it stands in.
        Refused beside what is no strict JSON: a key of more than ``RUN_BYTES``.
        """
        self.ask()
        opening = self.byte(start)
        if opening in _CLOSING:
            end = -1 if start in self._open else self._end_of_brackets(place, start, RUN_BYTES, depth)
            if end < 0:
                return self.pass_over_inside(place, start, depth)
        elif opening == b'"':
            end = end_of_string(self._data, start, min(start + RUN_BYTES, self.size))
            if end < 0:
                return self._pass_over_string(place, start)
        else:
            end = self._end_of_value(place, start)
        self.loads(start, end, place)
        return end

    def pass_over_inside(self, place: str, start: int, depth: int = -1) -> int:
        """The same for a list or an object, piece by piece; of its own, it counts no level of brackets."""
        closing = _CLOSING[self.byte(start)]
        named, names = closing == b"}", array("q")
        position, index = self.space(start + 1), 0
        pieces = _Pieces(self, b"{}" if named else b"[]", MAX_DEPTH - depth - 1, FIRST_RUN_BYTES)
        if self.byte(position) == closing:
            return position + 1
        while position >= 0:
            found, end = (None, position) if position in self._open else pieces.take(position)
            if found is None:
                inner, at = f"{place}[{index}]", position
                if named:
                    key, at = self.key(position, RUN_BYTES)
                    inner = f"{place}.{key[:MAX_KEY_BYTES]}"
                    found = {key: None}
                end = self.pass_over(inner, at, depth + 1)
            if named:
                names.extend(map(hash, found or ()))
            index += len(found or (None,))
            position = self._next(end, closing, place if named else f"{place}[{index - 1}]")
        if _any_twice(names):
            raise self.error(start, place, "a key comes twice in this object")
        return self.space(end) + 1

    def _pass_over_string(self, place: str, start: int) -> int:
        end, fault = end_of_sound_string(self._data, start, self.ask)
        if fault:
            raise self.error(end, place, fault)
        return end

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes ``start:end``."""
        for at in range(start, end, RUN_BYTES):
            self.ask()
            yield self._data[at : min(at + RUN_BYTES, end)]
            self._release_passed(at)

    # What is read

    def element(self, key: str, start: int, index: int = -1) -> tuple[Any, int]:
        """The value at ``start`` and the offset of its end.

        An object ends at the first ``}`` up to which it is valid JSON, since no valid object is the beginning
        of another; so a fast search and a fast parser find the end together, and the slow scan is for the rest.
        """
        data = self._data
        if data[start : start + 1] == b"{":
            end = start
            for _ in range(QUICK_TRIES):
                end = data.find(b"}", end, start + MAX_ELEMENT_BYTES) + 1
                if not end:
                    break
                text = data[start:end]
                try:
                    value = orjson.loads(text)
                except orjson.JSONDecodeError:
                    continue
                try:
                    return json_strict.checked(text, value), end
                except NotStrict as fault:
                    raise self.error(start + fault.at, _place(key, index), fault.problem) from None
        place = _place(key, index)
        end = self._end_of_value(place, start)
        return self.loads(start, end, place), end

    def loads(self, start: int, end: int, place: str) -> Any:
        """The value that the bytes ``start:end`` stand for."""
        try:
            return json_strict.loads(self._data[start:end])
        except NotStrict as fault:
            raise self.error(start + fault.at, place, fault.problem) from None

    def _end_of_value(self, place: str, start: int) -> int:
        opening = self.byte(start)
        limit = start + MAX_ELEMENT_BYTES + 1
        if opening == b'"':
            end = end_of_string(self._data, start, min(limit, self.size))
            if end < 0 and limit >= self.size:
                raise self.error(start, place, "the file ends inside a string")
        elif opening in _CLOSING:
            end = self._end_of_brackets(place, start, MAX_ELEMENT_BYTES)
        else:
            scalar = _SCALAR.match(self._data, start, limit)
            end = scalar.end() if scalar else start
            if end == start:
                raise self.unexpected(start, place, "a value")
        if not 0 <= end < limit:
            raise self.error(start, place, f"one value of more than {MAX_ELEMENT_BYTES >> 20} MiB")
        return end

    def _end_of_brackets(self, place: str, start: int, most: int, depth: int = 0) -> int:
        """Where the list or object at ``start`` ends; −1 where that is not in the next ``most`` bytes.

        ``_open`` are the places of the brackets that do not close there, then.
        """
        from pipeline.annotations.json_structure import levels, still_open  # numpy: --help does not wait

        limit, unclosed = start + most, [(0, 0)]
        for positions, level in levels(self._data, start, min(limit, self.size), self.ask):
            ends, deep = (level == 0).nonzero()[0], (level > MAX_DEPTH - depth).nonzero()[0]
            if len(deep) and not (len(ends) and ends[0] < deep[0]):
                problem = f"brackets are nested deeper than {MAX_DEPTH} levels"
                raise self.error(int(positions[deep[0]]), place, problem)
            if len(ends):
                return int(positions[ends[0]]) + 1
            unclosed = still_open(unclosed, positions, level)
        if self.size <= limit:
            raise self.error(self.size, place, "the file ends in the middle of this value")
        self._open = frozenset(position for _, position in unclosed)
        return -1

    def _release_passed(self, position: int) -> None:
        if position - self._released > RELEASE_BYTES or position < self._released:
            self._release(position)

    def _release(self, position: int) -> None:
        """Tells the system that the pages before ``position`` are not needed any more."""
        if isinstance(self._data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            whole = position - position % mmap.PAGESIZE
            if whole:
                self._data.madvise(mmap.MADV_DONTNEED, 0, whole)
        self._released = position


class _Pieces:
    """Parses elements of one list or object some together, which is much faster than one by one."""

    def __init__(
        self, data: AnnotationBytes, brackets: bytes = b"[]", levels: int = MAX_DEPTH, most: int = RUN_BYTES
    ) -> None:
        self._data, self._brackets, self._levels, self._most = data, brackets, levels, most
        self._ends: list[int] = []
        self._singly_until = 0

    def take(self, position: int) -> tuple[Any, int]:
        """What begins at ``position``, a list or dict, and the offset behind it.

        None where the next element has to be looked at alone: it is long, or shows then what is wrong, and where.
        """
        if not self._ends and position >= self._singly_until:
            self._ends = self._data.ends_of_pieces(position, self._most, self._levels)
            self._singly_until = self._ends[0] if self._ends else position
            self._most = min(2 * self._most, RUN_BYTES)
        if not self._ends:
            return None, position
        end = self._ends.pop()
        found = self._data.piece(position, end, self._brackets)
        if found is None:
            self._ends.clear()
        return found, end


def _map(path: Path) -> mmap.mmap | bytes:
    """The bytes of a regular file; never blocks on a FIFO or a device."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise AnnotationError(f"{path}: not a regular file")
        if facts.st_size == 0:
            return b""  # an empty file cannot be mapped
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)


def _place(key: str, index: int) -> str:
    return f"{key}[{index}]" if index >= 0 else key


def _any_twice(names: array[int]) -> bool:
    from pipeline.annotations.json_structure import any_twice  # numpy: --help does not wait for it

    return len(names) > 1 and any_twice(names)
