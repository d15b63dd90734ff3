"""Archives that nobody vouches for: refused whole, with member and reason, or unpacked to the right bytes."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.archive import BadArchive, open_archive, plan, unpack

Change = Callable[[bytes], bytes]


def zipped(
    *members: tuple[str, bytes], mode: int = 0o644 | stat.S_IFREG, method: int = zipfile.ZIP_STORED
) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        for name, data in members:
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            info.external_attr = mode << 16
            info.compress_type = method
            archive.writestr(info, data)
    return buffer.getvalue()


def directory_field(data: bytes, offset: int, form: str, value: int) -> bytes:
    """Overwrites one field of the first entry of the central directory."""
    at = data.index(b"PK\1\2") + offset
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]


def overlapping() -> bytes:
    """Two entries of the directory that name the same bytes."""
    data = zipped(("a", b"x" * 50), ("b", b"y" * 50))
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    return data[: second + 42] + struct.pack("<I", 5) + data[second + 46 :]


BOMB = zipped(("bomb", b"\0" * (4 << 20)), method=zipfile.ZIP_DEFLATED)
GOOD = zipped(("val2017/1.jpg", b"one" * 100), ("val2017/2.jpg", b"two" * 100))

REFUSED: dict[str, tuple[bytes, str]] = {
    "parent": (zipped(("../x", b"")), "leaves the folder"),
    "parent inside": (zipped(("a/../../x", b"")), "leaves the folder"),
    "dot": (zipped(("a/./x", b"")), "leaves the folder"),
    "absolute": (zipped(("/etc/x", b"")), "absolute"),
    "drive": (zipped(("C:x", b"")), "absolute"),
    "backslash": (zipped(("a\\b", b"")), "backslash"),
    "NUL": (zipped(("a\0b", b"")), "NUL"),
    "control": (zipped(("a\nb", b"")), "control"),
    "long name": (zipped(("a" * 256, b"")), "longer than 255"),
    "symlink": (zipped(("x", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), "symbolic link"),
    "character device": (zipped(("x", b""), mode=stat.S_IFCHR | 0o666), "device"),
    "block device": (zipped(("x", b""), mode=stat.S_IFBLK | 0o666), "device"),
    "pipe": (zipped(("x", b""), mode=stat.S_IFIFO | 0o666), "device"),
    "socket": (zipped(("x", b""), mode=stat.S_IFSOCK | 0o666), "device"),
    "setuid": (zipped(("x", b""), mode=stat.S_IFREG | 0o4755), "set-user-id"),
    "setgid": (zipped(("x", b""), mode=stat.S_IFREG | 0o2755), "set-user-id"),
    "folder mode on a file": (zipped(("x", b"1"), mode=stat.S_IFDIR | 0o755), "folder and file"),
    "folder with content": (zipped(("x/", b"1"), mode=0), "folder with content"),
    "twice": (zipped(("x", b"1"), ("x", b"2")), "taken"),
    "twice but for case": (zipped(("x", b"1"), ("X", b"2")), "taken"),
    "file and folder": (zipped(("x", b"1"), ("x/y", b"2")), "file and a folder"),
    "bomb": (BOMB, "more than 200 to 1"),
    "overlap": (overlapping(), "overlaps"),
    "stored with two sizes": (directory_field(GOOD, 24, "<I", 10), "stored, but"),
    "runs into the directory": (
        directory_field(directory_field(GOOD, 24, "<I", 5000), 20, "<I", 5000),
        "overlaps|runs into",
    ),
    "encrypted": (directory_field(GOOD, 8, "<H", 1), "encrypted"),
    "method 99": (directory_field(GOOD, 10, "<H", 99), "compression method 99"),
    "html": (b"<html>" + b" " * 1000, "not a zip"),
    "empty": (b"", "not a zip"),
    "no directory": (GOOD[: GOOD.index(b"PK\1\2")], "not a zip"),
    "half": (GOOD[: len(GOOD) // 2], "not a zip"),
    "directory offset": (GOOD[:-6] + struct.pack("<I", 1 << 30) + GOOD[-2:], "."),
}


def _planned(path: Path) -> None:
    with open_archive(path) as archive:
        plan(archive)


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_archives_are_refused_before_a_byte_is_written(tmp_path: Path, name: str) -> None:
    data, message = REFUSED[name]
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(BadArchive, match=message):
        _planned(tmp_path / "a.zip")


def broken_stream() -> bytes:
    """Eight bytes of the packed data, behind a header of 30 bytes and the name, are overwritten."""
    data = zipped(("val2017/1.jpg", bytes(range(256)) * 40), method=zipfile.ZIP_DEFLATED)
    return data[:48] + b"\xff" * 8 + data[56:]


DAMAGED = {
    "flipped bit": GOOD.replace(b"oneone", b"onfone", 1),
    "wrong CRC in the directory": directory_field(GOOD, 16, "<I", 1),
    "lying size, deflated": directory_field(
        zipped(("val2017/1.jpg", b"z" * 5000), method=zipfile.ZIP_DEFLATED), 24, "<I", 4000
    ),
    "size too large, deflated": directory_field(
        zipped(("val2017/1.jpg", b"z" * 5000), method=zipfile.ZIP_DEFLATED), 24, "<I", 6000
    ),
    "other name in front": GOOD.replace(b"val2017/1.jpg", b"val2017/9.jpg", 1),
    "broken deflate stream": broken_stream(),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_members_never_get_their_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.zip").write_bytes(DAMAGED[name])
    with open_archive(tmp_path / "a.zip") as archive:
        member = plan(archive)[0]
        with pytest.raises(BadArchive, match=r"1\.jpg"):
            unpack(archive, member, tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_good_archives_are_unpacked(tmp_path: Path, method: int) -> None:
    members = (("val2017/1.jpg", b"one" * 100), ("val2017/sub/2.jpg", bytes(range(256))))
    (tmp_path / "a.zip").write_bytes(zipped(*members, method=method))
    with open_archive(tmp_path / "a.zip") as archive:
        for member in plan(archive):
            unpack(archive, member, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name, _ in members} == dict(members)
