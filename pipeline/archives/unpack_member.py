"""One member of an archive onto the disk: not a byte more than planned, under its name only when the CRC is right."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.archives.archive import STORED, Archive
from pipeline.archives.fault import BadArchive
from pipeline.archives.local_header import damaged, find_data
from pipeline.archives.members import Member
from pipeline.stage import Interrupted
from pipeline.stop import NEVER, Stop

CHUNK = 1 << 20
AT_ONCE = 32 << 20
"""Bytes of a stored member that is read in one piece."""


def unpack(archive: Archive, member: Member, folder: Path, stop: Stop = NEVER) -> os.stat_result:
    """Writes one member below ``folder``: never more bytes than planned, under its name only when the CRC is right.

    Returns the file as it was when the last byte was written.

    Raises:
        BadArchive: size or CRC are not those of the directory; Interrupted: asked to stop in a large member.
    """
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb", buffering=0) as sink:
            _copy(archive.file.fileno(), member, sink, stop)
            made = os.fstat(sink.fileno())
    except (Interrupted, BadArchive):
        part.unlink(missing_ok=True)  # nothing goes on in the middle of a member
        raise
    os.replace(part, target)
    return made


def _copy(descriptor: int, member: Member, sink: BinaryIO, stop: Stop) -> None:
    left, crc = member.bytes, 0
    packed = _packed(descriptor, member, stop)
    for chunk in packed if member.method == STORED else _inflated(packed, member):
        left -= len(chunk)
        if left < 0:
            raise damaged(member, f"more than the {member.bytes:,} bytes it announces")
        crc = zlib.crc32(chunk, crc)
        view = memoryview(chunk)
        while view:
            view = view[sink.write(view) :]
    if left or crc != member.crc32:
        raise damaged(member, "size or CRC-32 are not those of the directory")


def _packed(descriptor: int, member: Member, stop: Stop) -> Iterator[bytes]:
    """The bytes of a member as stored in the file, read without moving its one position: threads share it."""
    at = find_data(descriptor, member)
    end = at + member.packed
    size = AT_ONCE if member.method == STORED and member.bytes <= AT_ONCE else CHUNK
    while at < end:
        if size == CHUNK:
            stop.check()
        chunk = os.pread(descriptor, min(size, end - at), at)
        if not chunk:
            raise damaged(member, "the file ends in it")
        at += len(chunk)
        yield chunk


def _inflated(packed: Iterable[bytes], member: Member) -> Iterator[bytes]:
    """Deflated bytes unpacked, at most CHUNK at a time however well they are packed."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for chunk in packed:
            while chunk and not inflate.eof:
                yield inflate.decompress(chunk, CHUNK)
                chunk = inflate.unconsumed_tail
        if not inflate.eof:
            yield inflate.flush()
    except zlib.error as error:
        raise damaged(member, str(error)) from error
    if not inflate.eof:
        raise damaged(member, "its packed bytes end too soon")
