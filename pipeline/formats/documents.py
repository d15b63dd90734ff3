"""Text, numbers and XML out of files that nobody vouches for. Every fault is an ``Unreadable`` with a code and words."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.stop import StageError
from vision.artefacts.records import RecordError, open_regular
from vision.messages.advice import shown
from vision.messages.command_line import shortened
from vision.messages.system_errors import instead_of, reason

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_TEXT = 64 << 20
"""Bytes of one XML file of labels, list or table of rows; CVAT's and Open Images' are streams of any size."""
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


class Unreadable(Exception):
    """``reason`` is a code, ``detail`` words for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def read_bytes(path: Path, most: int = MAX_TEXT) -> bytes:
    """All of a regular file. Raises Unreadable: ``missing_file``, ``not_a_file``, ``empty_file``, ``too_many_bytes``, ``unreadable``."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError:
        raise Unreadable("missing_file", f"{shown(path)}: no such file") from None
    except RecordError as error:
        raise Unreadable("not_a_file", shown(str(error))) from None
    except OSError as error:
        raise Unreadable("unreadable", f"{shown(path)}: {reason(error)}") from None
    if len(data) > most:
        raise Unreadable("too_many_bytes", f"{shown(path)}: more than {most:,} bytes")
    if not data.strip():
        raise Unreadable("empty_file", f"{shown(path)}: {len(data)} bytes with nothing in them")
    return data


def read_text(path: Path, empty: bool = False, most: int = MAX_TEXT) -> str:
    """UTF-8 with or without a byte order mark, or UTF-16 with one; lines end in ``\\n``. ``empty``: "" for an empty file.

    Raises Unreadable, also ``bad_encoding`` for anything else.
    """
    try:
        data = read_bytes(path, most)
    except Unreadable as error:
        if empty and error.reason == "empty_file":
            return ""
        raise
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(
            "bad_encoding", f"{shown(path)}: expected UTF-8, found another byte at {error.start:,}"
        ) from None
    if "\0" in text:
        raise Unreadable("bad_encoding", f"{shown(path)}: it contains NUL, so it is not text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def lines_of(path: Path) -> list[str]:
    """The lines of a list, blanks around them and empty ones left out. Raises StageError: without it nothing is known."""
    try:
        return [line for each in read_text(path, empty=True).split("\n") if (line := each.strip())]
    except Unreadable as error:
        raise StageError(f"{shown(path)} cannot be read", error.detail, "save it as UTF-8 text") from None


def number(text: str | None, what: str) -> float:
    """A finite number with a decimal point. Raises Unreadable ``bad_number``; a decimal comma is none."""
    text = (text or "").strip()
    value = float(text) if NUMBER.fullmatch(text) else math.nan
    if math.isfinite(value):
        return value
    comma = " (a decimal comma: write a point)" if re.fullmatch(r"[+-]?\d+,\d+", text) else ""
    raise Unreadable("bad_number", f"{what}: expected a number, found {shortened(shown(text))!r}{comma}")


def side(text: str | None) -> int | None:
    """A stated width or height in px; None for what says nothing: missing, 0, no whole number."""
    try:
        value = number(text, "")
    except Unreadable:
        return None
    return int(value) if value >= 1 and value.is_integer() else None


def read_xml(path: Path) -> Element:
    """The root of a small XML file. Raises Unreadable, ``bad_xml`` or ``xml_entities``."""
    data = read_bytes(path)
    import defusedxml.ElementTree as defused  # --help does not wait for it
    from defusedxml.common import DefusedXmlException

    try:
        root: Element = defused.fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise _entities(path, error) from None
    except (
        SyntaxError,
        ValueError,
        LookupError,
        RecursionError,
        AssertionError,
    ) as error:  # ParseError is a SyntaxError
        raise Unreadable("bad_xml", f"{shown(path)}: {error}") from None
    return root


def stream_xml(path: Path, stop: Any) -> Iterator[tuple[str, Element]]:
    """``(start|end, element)`` of a large XML file. Raises Unreadable as ``read_xml``, where it comes to the place."""
    if not path.is_file():
        raise Unreadable("missing_file", f"{shown(path)}: {instead_of('file', path)}")
    import defusedxml.ElementTree as defused
    from defusedxml.common import DefusedXmlException

    try:
        with os.fdopen(open_regular(path), "rb") as file:
            for number_, (event, element) in enumerate(
                defused.iterparse(file, events=("start", "end"), forbid_dtd=True)
            ):
                if number_ % 4096 == 0:
                    stop.check()
                yield event, element
    except DefusedXmlException as error:
        raise _entities(path, error) from None
    except OSError as error:
        raise Unreadable("unreadable", f"{shown(path)}: {reason(error)}") from None
    except (SyntaxError, ValueError, LookupError, RecursionError, AssertionError) as error:
        raise Unreadable("bad_xml", f"{shown(path)}: {error}") from None


def _entities(path: Path, error: Exception) -> Unreadable:
    kind = {"DTDForbidden": "a document type", "EntitiesForbidden": "an entity"}.get(
        type(error).__name__, "an outside reference"
    )
    return Unreadable(
        "xml_entities", f"{shown(path)}: it declares {kind}, which is refused and never expanded"
    )
