"""What a file is by its first bytes, for messages: a wrong file is called by its name, not by a parser's complaint."""

from __future__ import annotations

import stat
from pathlib import Path

from vision.messages.system_errors import kind_of

HEAD_BYTES = 512
"""As many first bytes as ``kind_by_head`` looks at."""

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x93NUMPY", "a NumPy array (.npy)"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras keeps weights so)"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x7fELF", "a program or library (ELF)"),
    (0, b"GGUF", "a GGUF file"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"ftrt", "a TensorRT engine"),
    (0, b"ptrt", "a TensorRT engine"),
    (4, b"TFL3", "a TensorFlow Lite file"),
    (257, b"ustar", "a tar archive"),
    (0, b"version https://git-lfs", "a Git LFS pointer: the file itself was never fetched"),
)


def kind_of_place(path: Path) -> str | None:
    """What is at ``path`` where that is no regular file; None for a regular file. Raises FileNotFoundError."""
    mode = path.stat().st_mode
    return None if stat.S_ISREG(mode) else kind_of(mode)


def kind_by_head(head: bytes, size: int) -> str:
    """What a file of ``size`` bytes is that begins with ``head`` (up to HEAD_BYTES of it)."""
    if not size:
        return "an empty file"
    if not head.strip(b"\0"):
        return "nothing but zeros at its beginning"
    for offset, magic, kind in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return kind
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 2 <= length <= size - 8:
        return "a safetensors file"
    if _begins_as_onnx(head):
        return "an ONNX file"
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return "a plain pickle"
    return _text_kind(head) or "a file of an unknown kind"


def _begins_as_onnx(head: bytes) -> bool:
    """A protobuf whose first field is ``ir_version`` and whose second one a text or a graph."""
    return len(head) > 3 and head[0] == 0x08 and 1 <= head[1] < 0x20 and head[2] in (0x12, 0x1A, 0x22, 0x3A)


def _text_kind(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        return "an HTML page, such as a server sends instead of a file"
    if text.startswith(b"<"):
        return "an XML file"
    if text.startswith((b"{", b"[")):
        return "a JSON file"
    return None if any(byte < 9 or 13 < byte < 32 for byte in head) else "a text file"


def kind_of_zip(names: list[str]) -> str:
    """What a zip archive with these members is that is no ``torch.save`` file."""
    if not names:
        return "an empty zip archive"
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        return "a TorchScript archive (torch.jit.save)"
    if any(name.endswith((".data/extern_modules", "/models/model.json", "archive_format")) for name in names):
        return "an archive of torch.export or torch.package"
    if all(name.endswith(".npy") for name in names):
        return "a NumPy archive (.npz)"
    if {"config.json", "metadata.json"} <= set(names):
        return "a Keras archive"
    return f"a zip archive of other files ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
