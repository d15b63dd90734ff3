"""How many entries the directory of a zip file has, counted without making anything of them.

.ZIP File Format Specification, 4.3.12 (an entry), 4.3.14 to 4.3.16 (the records at the end). zipfile takes a
microsecond and half a kilobyte for what here is one step of 46 bytes and no memory.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")
ENTRY = struct.Struct("<4s24x3H12x")
"""Signature, lengths of name, extra field and comment."""
MAX_COMMENT = 0xFFFF
ASKED_EVERY = 4096


class Directory(NamedTuple):
    """What the record at the end says: where the directory begins, its bytes, the entries it announces."""

    start: int
    bytes: int
    announced: int


def find_directory(file: BinaryIO) -> Directory | None:
    """None where there is no record at the end, which zipfile says better."""
    size = file.seek(0, os.SEEK_END)
    tail_start = file.seek(max(0, size - END.size - MAX_COMMENT))
    tail = file.read()
    at = len(tail) - END.size
    if (
        at < 0 or tail[at : at + 4] != b"PK\5\6" or tail[-2:] != b"\0\0"
    ):  # with a comment it is further in front
        at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + END.size:
        return None
    _, _, _, _, announced, length, _, _ = END.unpack_from(tail, at)
    end = tail_start + at
    if (large := _large(file, end)) is not None:
        announced, length = large
        end -= LOCATOR.size + END64.size
    return Directory(end - length, length, announced)


def _large(file: BinaryIO, end: int) -> tuple[int, int] | None:
    """Entries and bytes of the directory from the zip64 record that stands before ``end``, if there is one."""
    start = end - LOCATOR.size - END64.size
    if start < 0:
        return None
    file.seek(start)
    records = file.read(LOCATOR.size + END64.size)
    if records[:4] != b"PK\6\6" or records[END64.size : END64.size + 4] != b"PK\6\7":
        return None
    *_, announced, length, _ = END64.unpack_from(records)
    return announced, length


def count_entries(file: BinaryIO, directory: Directory, most: int, should_stop: Callable[[], bool]) -> int:
    """Entries that stand in ``directory``, at most one more than ``most``; those before the first that is damaged."""
    if directory.start < 0:
        return 0
    file.seek(directory.start)
    left, count = directory.bytes, 0
    while left > 0 and count <= most:
        if count % ASKED_EVERY == 0 and should_stop():
            break
        head = file.read(ENTRY.size)
        if len(head) < ENTRY.size or head[:4] != b"PK\1\2":
            break
        _, name, extra, comment = ENTRY.unpack(head)
        file.seek(name + extra + comment, os.SEEK_CUR)
        left -= ENTRY.size + name + extra + comment
        count += 1
    return count
