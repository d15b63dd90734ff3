"""The header in front of a member's bytes, and what is behind them: neither may say otherwise than the directory.

APPNOTE.TXT 4.3.7 (header), 4.3.9 (descriptor: CRC-32 and sizes behind the bytes, by who did not know them before).
"""

from __future__ import annotations

import os
import struct

from pipeline.archives.fault import DAMAGED, EITHER, BadArchive
from pipeline.archives.members import Member
from pipeline.archives.zip_directory import (
    LOCAL,
    LOCAL_SIGNATURE,
    SATURATED,
    UNICODE_PATH,
    ZIP64,
    DirectoryError,
    fields,
    unicode_path,
    wide,
)

ENCRYPTED = 0x1 | 0x40 | 0x2000
"""Flags: encrypted, strongly encrypted, directory encrypted."""
DESCRIBED = 0x8
"""Flag: a descriptor is behind the bytes; CRC-32 and sizes may be 0 in front of them."""
USUAL_EXTRA = 64
"""Bytes read with the header; zip writes 28."""


def find_data(descriptor: int, member: Member) -> int:
    """The offset of the packed bytes of ``member``.

    Raises:
        BadArchive: the header is another one's, or contradicts the directory; or behind the bytes, up to
        ``member.limit``, is anything but their descriptor.
    """
    name_end = LOCAL.size + len(member.raw)
    head = os.pread(descriptor, name_end + USUAL_EXTRA, member.offset)
    if len(head) < name_end:
        raise damaged(member, "its header is behind the end of the file")
    signature, flags, method, *numbers, name_bytes, extra_bytes = LOCAL.unpack_from(head)
    if (
        signature != LOCAL_SIGNATURE
        or name_bytes != len(member.raw)
        or head[LOCAL.size : name_end] != member.raw
    ):
        raise damaged(member, "another member is at the offset that the directory gives")
    start = member.offset + name_end + extra_bytes
    behind = member.limit - start - member.packed
    if behind < 0:
        raise BadArchive(f"member {member.name!r}: overlaps what follows it")
    extra = head[name_end : name_end + extra_bytes]
    if len(extra) < extra_bytes:
        extra = os.pread(descriptor, extra_bytes, member.offset + name_end)
    known = member.crc32, member.packed, member.bytes
    if (
        method != member.method
        or flags & ENCRYPTED
        or not _agree(member, numbers, extra, bool(flags & DESCRIBED))
    ):
        raise _contradicted(member, "its own header contradicts the directory")
    told = os.pread(descriptor, behind, start + member.packed) if 0 < behind <= 24 else b""
    needed = flags & DESCRIBED and member.packed
    if told not in _descriptors(*known) if behind and flags & DESCRIBED else behind or needed:
        what = (
            f"{behind:,} bytes that its directory does not know are behind it"
            if behind
            else "its descriptor is missing"
        )
        raise _contradicted(member, what)
    return start


def _agree(member: Member, numbers: list[int], extra: bytes, described: bool) -> bool:
    """Whether CRC-32, packed size and size in front are those of the directory, and no second name is there."""
    crc32, packed, size = numbers
    if b"\x75\x70" in extra or SATURATED in (packed, size):
        try:
            found = fields(extra)
            size, packed = (
                wide(found.get(ZIP64, b""), (size, packed)) if SATURATED in (packed, size) else (size, packed)
            )
        except DirectoryError:
            return False
        if unicode_path(found.get(UNICODE_PATH), member.raw) not in (None, member.name.encode()):
            return False
    pairs = zip((crc32, packed, size), (member.crc32, member.packed, member.bytes), strict=True)
    return all(said == known or (described and not said) for said, known in pairs)


def _descriptors(crc32: int, packed: int, size: int) -> list[bytes]:
    """What may be behind the bytes: with a signature or without, sizes of 32 or 64 bits."""
    plain = [struct.pack("<LQQ", crc32, packed, size)]
    if max(packed, size) <= SATURATED:
        plain.append(struct.pack("<LLL", crc32, packed, size))
    return [signature + each for signature in (b"PK\7\x08", b"") for each in plain]


def damaged(member: Member, why: str) -> BadArchive:
    """The error for a ``member`` of which another copy helps."""
    return BadArchive(f"member {member.name!r}: {why}", DAMAGED)


def _contradicted(member: Member, why: str) -> BadArchive:
    return BadArchive(f"member {member.name!r}: {why}: readers disagree about its content", EITHER)
