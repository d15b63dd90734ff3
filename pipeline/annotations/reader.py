"""Reads COCO-shaped JSON of any size strictly and as a stream: one image or annotation at a time.

``walk`` goes through the file once, from end to end. ``items`` and ``sections`` give what is asked for in any order,
after a first look at the whole file. Errors name the file, the line and the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.annotations.scan import AnnotationBytes, AnnotationError
from pipeline.stop import NEVER, Stop

GUESS_BYTES = 4 << 20

__all__ = ["AnnotationError", "AnnotationFile", "Part", "Section"]


@dataclass(frozen=True, slots=True)
class Section:
    """The value of one top-level key: bytes ``start:end``."""

    start: int
    end: int


class Part:
    """One top-level key while the file is walked over; its value is read when it is asked for.

    * start: offset of the value; end: of the byte behind what was read of it so far
    """

    def __init__(self, data: AnnotationBytes, key: str, start: int) -> None:
        self._data, self.key, self.start = data, key, start
        self.end = start + 1
        self.is_list = data.byte(start) == b"["
        self._elements = self._read()

    def __iter__(self) -> Iterator[Any]:
        """The elements of a list that were not read yet; the one value where it is no list."""
        return self._elements

    def _read(self) -> Iterator[Any]:
        if not self.is_list:
            value, self.end = self._data.element(self.key, self.start)
            yield value
            return
        yield from self._data.elements(self)
        self.end = self._data.space(self.end) + 1

    def expect_list(self) -> None:
        """Raises AnnotationError where the value is no list."""
        if not self.is_list:
            raise self._data.error(self.start, self.key, "expected a list")

    def finish(self) -> Section:
        """Passes over, and so checks, what nobody asked for."""
        if self.end == self.start + 1:
            self._elements = iter(())
            over = self._data.pass_over_inside if self.is_list else self._data.pass_over
            self.end = over(self.key, self.start)
        for _ in self._elements:
            pass
        return Section(self.start, self.end)

    def as_it_is(self) -> Iterator[bytes]:
        """The bytes of the value, all of which are checked before the first ones are given."""
        section = self.finish()
        return self._data.pieces(section.start, section.end)


class AnnotationFile:
    """A COCO-shaped JSON file. ``size`` is in bytes.

    ``stop`` is asked whatever is read or passed over, and Interrupted raised when it says so. Raises
    AnnotationError for anything that is not strict JSON with an object on top, where it is met; OSError when the file
    cannot be opened. Who publishes something made of it must have walked to the end, or asked for
    ``sections``, before.
    """

    def __init__(self, path: Path, stop: Stop = NEVER) -> None:
        self.path = path
        self._data = AnnotationBytes(path, stop)
        self.size = self._data.size

    def close(self) -> None:
        self._data.close()

    def __enter__(self) -> AnnotationFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def walk(self) -> Iterator[Part]:
        """The parts in the order of the file. Everything is checked, also what the caller passes over."""
        data, seen = self._data, set[str]()
        start = data.first()
        position = data.expect(start, b"{", "", "an object with images, annotations and categories")
        position = data.space(position)
        while data.byte(position) != b"}" or seen:
            key, position = data.key(position)
            if key in seen:
                raise data.error(position, key, f'the key "{key}" comes twice')
            seen.add(key)
            part = Part(data, key, position)
            yield part
            position = data.space(part.finish().end)
            if data.byte(position) == b"}":
                break
            position = data.space(data.expect(position, b",", key, "a comma or the end of the object"))
        position = data.space(position + 1)
        if position != self.size:
            raise data.error(position, "", "something follows the end of the JSON object")

    @cached_property
    def sections(self) -> dict[str, Section]:
        """The places of the top-level keys, in the order of the file, which was checked from end to end."""
        return {part.key: part.finish() for part in self.walk()}

    def items(self, key: str) -> Iterator[Any]:
        """The elements of the list under ``key``, one after the other."""
        part = self.part(key)
        part.expect_list()
        return iter(part)

    def part(self, key: str) -> Part:
        """The part under ``key``, from its beginning."""
        section = self.sections.get(key)
        if section is None:
            raise self.missing(key, self.sections)
        return Part(self._data, key, section.start)

    def guess(self, key: str) -> Part | None:
        """The list under ``key`` where it seems to begin, near the end of the file or its start: for a look ahead.

        What looks like it may be deeper in the file; ``walk`` tells where the part really is.
        """
        for start in self._data.mentions(b'"' + key.encode() + b'"', GUESS_BYTES):
            position = self._data.space(start)
            if self._data.byte(position) != b":":
                continue
            part = Part(self._data, key, self._data.space(position + 1))
            if part.is_list:
                return part
        return None

    def missing(self, key: str, found: Iterable[str]) -> AnnotationError:
        """The error where the top-level ``key`` is not there; ``found`` are those that are."""
        names = ", ".join(found) or "none"
        return AnnotationError(f'{self.path}: line 1: the key "{key}" is missing (keys found: {names})')

    def error(self, offset: int, key: str, problem: str) -> AnnotationError:
        """The error for ``problem`` at byte ``offset``."""
        return self._data.error(offset, key, problem)
