"""Why an archive is refused, and what helps: another copy, another archive, or another kind of file."""

from __future__ import annotations

import os
import re
from typing import BinaryIO

from pipeline.archives.zip_directory import LOCAL, LOCAL_SIGNATURE
from vision.messages.advice import shown

DAMAGED = "damaged"
"""The bytes are not those that its maker wrote: another copy helps."""
DOUBTFUL = "doubtful"
"""Its maker wrote it so: another copy is the same."""
EITHER = "fetch it again ({get_it}); if the same file comes again, do not use it"
HEAD = 4096
TAR_MAGIC = 257
KINDS = (
    (b"\x1f\x8b", "a gzip file"), (b"BZh", "a bzip2 file"), (b"\xfd7zXZ\0", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"), (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"), (b"MSCF", "a cabinet file"), (b"!<arch>\n", "an ar archive (.deb, .a)"),
    (b"PK\7\x08", "one part of a split zip archive"),
)  # fmt: skip
"""First bytes of other packed files."""


class BadArchive(ValueError):
    """The archive is refused; says which member and why. ``remedy``: DAMAGED, DOUBTFUL, or in words what helps."""

    def __init__(self, why: str, remedy: str = DOUBTFUL) -> None:
        super().__init__(why)
        self.remedy = remedy

    def fix(self, get_it: str) -> str:
        """What to do; ``get_it`` is how another copy is had."""
        if self.remedy == DAMAGED:
            return f"nothing of it was published; fetch it again ({get_it})"
        if self.remedy == DOUBTFUL:
            return (
                "nothing of it was published; do not use this archive: fetched again it is the same, "
                "so ask its publisher for another one"
            )
        return f"nothing of it was published; {self.remedy.format(get_it=get_it)}"


def no_zip(file: BinaryIO) -> BadArchive:
    """What ``file``, in which no end of a directory was found, is instead."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(HEAD)
    if not head:
        return BadArchive("it is empty: 0 bytes", DAMAGED)
    if head.startswith(LOCAL_SIGNATURE):
        return BadArchive(_cut(file, size), DAMAGED)
    if other := packed_otherwise(head):
        return other
    if page := _page(head):
        return BadArchive(
            f"it is {page}, not a zip file: {shown(_beginning(head))}",
            "the server sent this instead of the archive: check the address, then fetch it again ({get_it})",
        )
    if not any(head):
        return BadArchive(
            f"it is not a zip file: its first {len(head):,} bytes are zeros ({size:,} in all)", DAMAGED
        )
    what = shown(_beginning(head)) if _is_text(head) else f"bytes {head[:8].hex(' ')}"
    return BadArchive(
        f"it is not a zip file: it begins with {what}, and has no directory at its end ({size:,} bytes)",
        "check the path; where it should be a zip file, fetch it again ({get_it})",
    )


def packed_otherwise(head: bytes) -> BadArchive | None:
    """What a file that begins with ``head`` is, where that is another packed file: there may be a zip in it."""
    is_tar = head[TAR_MAGIC : TAR_MAGIC + 5] == b"ustar" or _is_old_tar(head)
    kind = (
        "a tar archive" if is_tar else next((kind for magic, kind in KINDS if head.startswith(magic)), None)
    )
    help = "only zip is read: unpack it and pack it as zip, or get the zip"
    return BadArchive(f"it is {kind}, no zip file", help) if kind else None


def _is_old_tar(head: bytes) -> bool:
    """Before POSIX there was no magic; the checksum of the first header tells."""
    field = head[148:156].strip(b" \0")
    if len(head) < 512 or not re.fullmatch(rb"[0-7]{1,7}", field):
        return False
    return int(field, 8) == sum(head[:148]) + 8 * ord(" ") + sum(head[156:512])


def _page(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in text[:1024]:
        return "a web page"
    if text.startswith((b"<?xml", b"<error")):
        return "an XML page"
    if text.startswith(b"version https://git-lfs"):
        return "a git-lfs pointer"
    return "a JSON answer" if text.startswith((b"{", b"[")) and _is_text(head) else None


def _is_text(head: bytes) -> bool:
    """UTF-8 without control characters; a letter may be cut at the end."""
    text = head.decode("utf-8", "ignore")
    return len(text.encode()) > len(head) - 4 and all(
        letter.isprintable() or letter in "\t\r\n" for letter in text
    )


def _beginning(head: bytes) -> str:
    return " ".join(head.decode("utf-8", "replace").split())[:60]


def _cut(file: BinaryIO, size: int) -> str:
    """The first member that does not end before the file does, where its header tells its size."""
    said = f"it is cut short: {size:,} bytes are here, and the directory that belongs at its end is missing"
    offset = 0
    while offset < size:
        file.seek(offset)
        head = file.read(LOCAL.size)
        if len(head) < LOCAL.size:
            break
        signature, flags, _, _, packed, _, name_bytes, extra_bytes = LOCAL.unpack(head)
        if (
            signature != LOCAL_SIGNATURE or flags & 8 or packed == 0xFFFFFFFF
        ):  # its size stands behind it, or in a field
            return said
        name = file.read(name_bytes).decode("utf-8", "replace")
        offset += LOCAL.size + name_bytes + extra_bytes + packed
        if offset > size:
            return f"{said}; member {shown(name)!r} alone needs {offset:,}"
    return said
