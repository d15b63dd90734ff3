"""The directory of a zip file, entry by entry in the order of the file, in little memory.

.ZIP File Format Specification (APPNOTE.TXT): 4.3.7 (local header), 4.3.12 (entry), 4.3.14 to 4.3.16 (records at the
end), 4.5.3 (zip64), 4.6.9 (Unicode path). What can be read in two ways is an error, never a choice.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from vision.messages.terminal import counted

END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")
ENTRY = struct.Struct("<4sBBHHH4xLLLHHHH2xLL")
LOCAL = struct.Struct("<4s2xHH4xLLLHH")
"""Signature, flags, method, CRC-32, packed size, size, lengths of name and extra field."""
LOCAL_SIGNATURE = b"PK\3\4"
END_SIGNATURE = b"PK\5\6"
MAX_COMMENT = 0xFFFF
MAX_ENTRY = ENTRY.size + 3 * 0xFFFF
MAX_VERSION = 63
"""Of the specification that a reader needs to know, times ten: newer ones may mean anything."""
SATURATED = 0xFFFFFFFF
ZIP64, UNICODE_PATH = 0x0001, 0x7075
CHUNK = 4 << 20
_TWO_ENDS = "two ends of its directory: readers disagree about its content"
_SPLIT = "it is one volume of several, as its directory says"


class DirectoryError(Exception):
    """It cannot be read, or in two ways (``doubtful``); None where both may be the reason."""

    def __init__(self, why: str, doubtful: bool | None = False) -> None:
        super().__init__(why)
        self.doubtful = doubtful


class Directory(NamedTuple):
    """What the records at the end say: where it begins, its bytes, the entries it announces.

    ``shift``: bytes in front of the archive, such as a program that unpacks it; to be added to every offset in it.
    ``wide``: whether ``announced`` has 64 bits; macOS writes the last 16 of a larger number otherwise.
    """

    start: int
    bytes: int
    announced: int
    shift: int
    wide: bool

    def require_all(self, found: int) -> None:
        """Raises DirectoryError where ``found`` entries are not those that are announced."""
        if (found - self.announced) % (1 << 64 if self.wide else 1 << 16):
            raise DirectoryError(
                f"{counted(self.announced, 'entry', 'is')} announced, its directory has {found:,}: readers disagree about its content",
                doubtful=True,
            )


class Entry(NamedTuple):
    """An entry as it is written; sizes and offset from the zip64 field where they are there.

    ``raw`` is the name; ``unicode_path`` a second one that some programs write, None where there is none for this name.
    """

    raw: bytes
    flags: int
    method: int
    crc32: int
    packed: int
    size: int
    attributes: int
    offset: int
    unicode_path: bytes | None


def find_directory(file: BinaryIO) -> Directory | None:
    """None where there is no record at the end. Raises DirectoryError where there are two, or it says what cannot be."""
    size = file.seek(0, os.SEEK_END)
    tail_start = file.seek(max(0, size - END.size - MAX_COMMENT))
    tail = file.read()
    at = _end_record(tail)
    if at is None:
        return None
    _, volume, first, here, announced, length, offset, _ = END.unpack_from(tail, at)
    end, large = tail_start + at, _large(file, tail_start + at)
    if large is not None:
        end, *values = large
        for narrow, full, most in zip(
            (volume, first, here, announced, length, offset),
            values,
            (*4 * (0xFFFF,), *2 * (SATURATED,)),
            strict=True,
        ):
            if narrow not in (full, most):
                raise DirectoryError(
                    "two records at its end describe its directory differently", doubtful=True
                )
        volume, first, here, announced, length, offset = values
    if volume or first or here != announced:
        raise DirectoryError(_SPLIT, doubtful=True)
    start = end - length
    if start < 0:
        raise DirectoryError(f"a directory of {length:,} bytes does not fit into the {end:,} before its end")
    if start < offset:
        raise DirectoryError(f"{offset - start:,} bytes before its directory are missing")
    if tail.find(END_SIGNATURE, max(0, start - tail_start)) != at:
        raise DirectoryError(_TWO_ENDS, doubtful=True)
    return Directory(start, length, announced, start - offset, large is not None)


def _end_record(tail: bytes) -> int | None:
    """The offset of the record: the last one, whose comment has to end with the file."""
    last = tail.rfind(END_SIGNATURE)
    found, at = [], tail.find(END_SIGNATURE)
    while 0 <= at <= len(tail) - END.size:
        found.append(at)
        at = tail.find(END_SIGNATURE, at + 1)
    if not found:
        return None
    behind = {at: len(tail) - at - END.size - END.unpack_from(tail, at)[-1] for at in found}
    exact = [at for at in found if not behind[at]]
    if exact == [last]:
        return last
    if exact or len(found) > 1:
        raise DirectoryError(_TWO_ENDS, doubtful=True if exact else None)
    if behind[last := found[-1]] < 0:
        raise DirectoryError(f"its comment is cut: {-behind[last]:,} bytes of it are missing")
    raise DirectoryError(
        f"{behind[last]:,} bytes follow its end: two archives in one, or a truncated one", doubtful=None
    )


def _large(file: BinaryIO, end: int) -> tuple[int, ...] | None:
    """From the zip64 record, if there is one in front of ``end``: its offset, then what the other record has, too."""
    place = end - LOCATOR.size
    if place < 0:
        return None
    file.seek(place)
    signature, volume, stated, volumes = LOCATOR.unpack(file.read(LOCATOR.size))
    if signature != b"PK\6\7":
        return None
    if volume or volumes > 1:
        raise DirectoryError(_SPLIT, doubtful=True)
    for start in (place - END64.size, stated):  # with data in front of the archive what is stated is less
        if 0 <= start <= place - END64.size:
            file.seek(start)
            found, length, _, _, *values = END64.unpack(file.read(END64.size))
            if found == b"PK\6\6" and start + 12 + length == place:
                return start, *values
    raise DirectoryError("its zip64 record is not where it has to be")


def entries(file: BinaryIO, directory: Directory) -> Iterator[Entry]:
    """Every entry of the directory, in its order. Raises DirectoryError where one is no entry."""
    file.seek(directory.start)
    unread, buffer, at = directory.bytes, b"", 0
    while unread or at < len(buffer):
        if len(buffer) - at < MAX_ENTRY and unread:
            more = file.read(min(CHUNK, unread))
            unread -= len(more)
            if not more:
                raise DirectoryError("the file ends in its directory")
            buffer, at = buffer[at:] + more, 0
        entry, at = _entry(buffer, at, directory.shift)
        yield entry


def _entry(buffer: bytes, at: int, shift: int) -> tuple[Entry, int]:
    """The entry at ``at`` and where the next one begins."""
    if len(buffer) - at < ENTRY.size or buffer[at : at + 4] != b"PK\1\2":
        raise DirectoryError("its directory cannot be read: an entry is expected where there is none")
    (
        _,
        _,
        _,
        needed,
        flags,
        method,
        crc32,
        packed,
        size,
        name_bytes,
        extra_bytes,
        comment_bytes,
        volume,
        attributes,
        offset,
    ) = ENTRY.unpack_from(buffer, at)
    name_end = at + ENTRY.size + name_bytes
    end = name_end + extra_bytes + comment_bytes
    if end > len(buffer):
        raise DirectoryError("its directory cannot be read: its last entry is cut")
    if needed & 0xFF > MAX_VERSION:
        raise DirectoryError(f"made for version {(needed & 0xFF) / 10} of the format", doubtful=True)
    raw, second = buffer[at + ENTRY.size : name_end], None
    if extra_bytes:
        found = fields(buffer[name_end : name_end + extra_bytes])
        second = unicode_path(found.get(UNICODE_PATH), raw)
        if ZIP64 in found:
            size, packed, offset = wide(found[ZIP64], (size, packed, offset))
            volume = 0 if volume == 0xFFFF and not any(found[ZIP64][-4:]) else volume
    if volume:
        raise DirectoryError(_SPLIT, doubtful=True)
    return Entry(raw, flags, method, crc32, packed, size, attributes, offset + shift, second), end


def fields(extra: bytes) -> dict[int, bytes]:
    """The extra fields by number; less than four bytes at the end are none. Raises DirectoryError for a cut one."""
    found: dict[int, bytes] = {}
    at = 0
    while len(extra) - at >= 4:
        number, length = struct.unpack_from("<HH", extra, at)
        if at + 4 + length > len(extra):
            raise DirectoryError("its directory cannot be read: an extra field is cut")
        found.setdefault(number, extra[at + 4 : at + 4 + length])
        at += 4 + length
    return found


def wide(field: bytes, values: tuple[int, ...]) -> list[int]:
    """``values``, those that have no room in 32 bits from the zip64 field, which holds them in this order."""
    read, at = list(values), 0
    for index, value in enumerate(values):
        if value == SATURATED:
            if len(field) < at + 8:
                raise DirectoryError("its directory cannot be read: a zip64 field is cut")
            (read[index],) = struct.unpack_from("<Q", field, at)
            at += 8
    return read


def unicode_path(field: bytes | None, raw: bytes) -> bytes | None:
    """The second name, where it was written for this first one: its CRC-32 tells."""
    if field is None or len(field) < 5 or field[0] != 1:
        return None
    return field[5:] if int.from_bytes(field[1:5], "little") == zlib.crc32(raw) else None
