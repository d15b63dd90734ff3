"""Reads COCO-shaped JSON of any size strictly and as a stream: one image or annotation at a time.

orjson parses every element; this module finds where the elements are and adds the rules that JSON itself leaves
open: no key twice, no deep nesting, no byte order mark, nothing after the end. (orjson refuses NaN, Infinity,
numbers beyond a double, wrong UTF-8 and lone surrogates already.) Errors name the file, the line and the key.

The file is mapped, not read: pages that were passed are given back, so memory does not grow with the file.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

MAX_DEPTH = 64
"""Levels of brackets in one element; a COCO annotation has 3."""
MAX_ELEMENT_BYTES = 16 << 20
"""Bytes of one element; the largest of COCO has about 40,000."""
RELEASE_BYTES = 32 << 20
QUICK_TRIES = 4

_SPACE = re.compile(rb"[ \t\n\r]*+")
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_TEXT = rb'[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"'
_TO_BRACKET = re.compile(rb"(?:" + _TEXT + rb")*+", re.DOTALL)
_PAIRS = rb"[\[{](?:" + _TEXT + rb")*+[\]}]"
_TO_LONE_BRACKET = re.compile(
    rb"(?:"
    + _TEXT
    + rb"|[\[{](?:"
    + _TEXT
    + rb"|[\[{](?:"
    + _TEXT
    + rb"|"
    + _PAIRS
    + rb")*+[\]}])*+[\]}])*+",
    re.DOTALL,
)
_SCALAR = re.compile(rb"[^,\]}\[{:\" \t\n\r]*+")
_NOT_JSON = re.compile(rb"-?Infinity|NaN")


def original_path(split: str) -> str:
    """Where the published annotations of ``split`` are, below the root; the test split has only image data."""
    return f"annotations/{'image_info' if split == 'test' else 'instances'}_{split}2017.json"


def remapped_path(split: str) -> str:
    """Where the remap stage puts its version of them."""
    return original_path(split).replace(".json", ".remapped.json")


class AnnotationError(ValueError):
    """An annotation file can not be read; one line: file, line, key, what is wrong."""


@dataclass(frozen=True, slots=True)
class Section:
    """The value of one top-level key: bytes ``start:end``; ``count`` elements if it is a list, else −1."""

    start: int
    end: int
    count: int


class AnnotationFile:
    """A COCO-shaped JSON file, checked from end to end when it is opened.

    ``sections`` maps the top-level keys to their places, in the order of the file. Raises AnnotationError for
    anything that is not strict JSON with an object on top, and OSError when the file can not be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._released = 0
        self._data = _map(path)
        self.size = len(self._data)
        try:
            self.sections = self._survey()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if isinstance(self._data, mmap.mmap):
            self._data.close()

    def __enter__(self) -> AnnotationFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def items(self, key: str) -> Iterator[Any]:
        """The elements of the list under ``key``, one after the other."""
        section = self.sections.get(key)
        if section is None:
            found = ", ".join(self.sections) or "none"
            raise AnnotationError(f'{self.path}: line 1: the key "{key}" is missing (keys found: {found})')
        if section.count < 0:
            raise self.error(section.start, key, "expected a list")
        for value, _ in self._elements(key, section.start):
            yield value

    def value(self, key: str) -> Any:
        """The whole value under ``key``; for the small ones (``info``)."""
        section = self.sections[key]
        return self._loads(section.start, section.end, key)

    def error(self, offset: int, key: str, problem: str) -> AnnotationError:
        """The error for ``problem`` at byte ``offset``."""
        where = f"line {self._line(offset)}" + (f", {key}" if key else "")
        return AnnotationError(f"{self.path}: {where}: {problem} (byte {offset:,})")

    def _line(self, offset: int) -> int:
        step = RELEASE_BYTES
        return 1 + sum(self._data[a : min(a + step, offset)].count(b"\n") for a in range(0, offset, step))

    # The top level

    def _survey(self) -> dict[str, Section]:
        sections: dict[str, Section] = {}
        self._refuse_encodings()
        position = self._expect(self._space(0), b"{", "", "an object with images, annotations and categories")
        position = self._space(position)
        if self._byte(position) == b"}":
            self._end_of_file(position + 1)
            return sections
        while True:
            key, position = self._key(position)
            if key in sections:
                raise self.error(position, key, f'the key "{key}" comes twice')
            sections[key] = section = self._section(key, position)
            position = self._space(section.end)
            if self._byte(position) == b"}":
                break
            position = self._space(self._expect(position, b",", key, "a comma or the end of the object"))
        self._end_of_file(position + 1)
        return sections

    def _refuse_encodings(self) -> None:
        head = self._data[:4]
        if not self._data[:4096].strip():
            raise self.error(
                0, "", "the file is empty" if self.size <= 4096 else "starts with nothing but blanks"
            )
        if head.startswith(b"\xef\xbb\xbf"):
            raise self.error(0, "", "starts with a byte order mark; expected UTF-8 without one")
        if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
            raise self.error(0, "", "this is UTF-16 or UTF-32; expected UTF-8")

    def _end_of_file(self, position: int) -> None:
        position = self._space(position)
        if position != self.size:
            raise self.error(position, "", "something follows the end of the JSON object")

    def _key(self, position: int) -> tuple[str, int]:
        match = _STRING.match(self._data, position)
        if match is None:
            raise self._unexpected(position, "", "a key in double quotes")
        if match.end() - position > 256:
            raise self.error(position, "", "a key of more than 256 bytes")
        key: str = self._loads(position, match.end(), "")
        return key, self._space(self._expect(self._space(match.end()), b":", key, "a colon"))

    def _section(self, key: str, start: int) -> Section:
        if self._byte(start) != b"[":
            _, end = self._element(key, start)
            return Section(start, end, -1)
        count, end = 0, start + 1
        for _, end in self._elements(key, start):  # noqa: B007 — the last one is the point
            count += 1
        return Section(start, self._space(end) + 1, count)

    # Elements of a list

    def _elements(self, key: str, start: int) -> Iterator[tuple[Any, int]]:
        """Elements of the list at ``start`` with the offsets of their ends."""
        position = self._space(start + 1)
        if self._byte(position) == b"]":
            return
        index = 0
        while True:
            value, end = self._element(key, position, index)
            yield value, end
            position = self._space(end)
            after = self._byte(position)
            if after == b"]":
                return
            if after != b",":
                raise self._unexpected(position, f"{key}[{index}]", "a comma or the end of the list")
            position = self._space(position + 1)
            index += 1
            if position - self._released > RELEASE_BYTES or position < self._released:
                self._release(position)

    def _element(self, key: str, start: int, index: int = -1) -> tuple[Any, int]:
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
                problem = _laxity(text, value)
                if problem:
                    raise self.error(start, _place(key, index), problem)
                return value, end
        place = _place(key, index)
        end = self._end_of_value(place, start)
        return self._loads(start, end, place), end

    def _loads(self, start: int, end: int, place: str) -> Any:
        text = self._data[start:end]
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            at = (
                len(error.doc[: error.pos].encode("utf-8", "replace"))
                if isinstance(error.doc, str)
                else error.pos
            )
            named = _NOT_JSON.match(text, at)
            what = f"{named.group().decode()} is not JSON" if named else error.msg
            raise self.error(start + at, place, what) from None
        problem = _laxity(text, value)
        if problem:
            raise self.error(start, place, problem)
        return value

    def _end_of_value(self, place: str, start: int) -> int:
        opening = self._byte(start)
        if opening == b'"':
            match = _STRING.match(self._data, start)
            if match is None:
                raise self.error(start, place, "the file ends inside a string")
            end = match.end()
        elif opening in (b"{", b"["):
            end = self._end_of_brackets(place, start)
        else:
            scalar = _SCALAR.match(self._data, start)
            end = scalar.end() if scalar else start
            if end == start:
                raise self._unexpected(start, place, "a value")
        if end - start > MAX_ELEMENT_BYTES:
            raise self.error(start, place, f"one value of more than {MAX_ELEMENT_BYTES >> 20} MiB")
        return end

    def _end_of_brackets(self, place: str, start: int) -> int:
        depth, position, limit = 0, start, start + MAX_ELEMENT_BYTES + 1
        while True:
            match = _TO_BRACKET.match(self._data, position, min(limit, self.size))
            position = match.end() if match else position
            bracket = self._data[position : position + 1]
            if position >= limit:
                return position
            if bracket in (b"", b'"'):
                raise self.error(position, place, "the file ends in the middle of this value")
            depth += 1 if bracket in b"[{" else -1
            if depth > MAX_DEPTH:
                raise self.error(position, place, f"brackets are nested deeper than {MAX_DEPTH} levels")
            position += 1
            if depth == 0:
                return position

    # Bytes

    def _byte(self, position: int) -> bytes:
        return self._data[position : position + 1]

    def _space(self, position: int) -> int:
        match = _SPACE.match(self._data, position)
        return match.end() if match else position

    def _expect(self, position: int, byte: bytes, place: str, wanted: str) -> int:
        if self._byte(position) != byte:
            raise self._unexpected(position, place, wanted)
        return position + 1

    def _unexpected(self, position: int, place: str, wanted: str) -> AnnotationError:
        found = self._data[position : position + 20]
        if not found:
            return self.error(position, place, f"the file ends where {wanted} was expected")
        shown = found.decode("utf-8", "replace")
        return self.error(position, place, f"expected {wanted}, found {shown!r}")

    def _release(self, position: int) -> None:
        """Tells the system that the pages before ``position`` are not needed any more."""
        if isinstance(self._data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            whole = position - position % mmap.PAGESIZE
            if whole:
                self._data.madvise(mmap.MADV_DONTNEED, 0, whole)
        self._released = position


def _map(path: Path) -> mmap.mmap | bytes:
    """The bytes of a regular file; never blocks on a FIFO or a device."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise AnnotationError(f"{path}: not a regular file")
        if facts.st_size == 0:
            return b""  # an empty file can not be mapped
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)


def _place(key: str, index: int) -> str:
    return f"{key}[{index}]" if index >= 0 else key


def _laxity(text: bytes, value: Any) -> str | None:
    """What orjson lets pass and we do not: a key that comes twice, deep nesting.

    Every string has two quotes, so if the parsed value has as many strings as the text has pairs of quotes,
    then no key was lost. Strings that are not counted (in lists) or escaped quotes only lead to the slow check.
    """
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        return f"brackets are nested deeper than {MAX_DEPTH} levels"
    if isinstance(value, dict) and text.count(b'"') == 2 * _strings(value):
        return None
    if b"{" not in text:
        return None
    return _repeated_key(text)


def _strings(value: dict[str, Any]) -> int:
    count = len(value)
    for inner in value.values():
        if type(inner) is str:
            count += 1
        elif type(inner) is dict:
            count += _strings(inner)
    return count


def _depth(text: bytes) -> int:
    depth = deepest = position = 0
    while True:
        match = _TO_BRACKET.match(text, position)
        position = match.end() if match else position
        bracket = text[position : position + 1]
        if not bracket:
            return deepest
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
        position += 1


def _repeated_key(text: bytes) -> str | None:
    problem: str | None = None

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal problem
        keys = [key for key, _ in pairs]
        repeated = (
            next((key for key in keys if keys.count(key) > 1), None) if len(set(keys)) < len(keys) else None
        )
        if repeated is not None:
            problem = f'the key "{repeated[:80]}" comes twice'

    json.loads(text, object_pairs_hook=look)
    return problem
