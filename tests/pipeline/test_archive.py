"""Archives that nobody vouches for: refused whole, with member and reason, or unpacked to the right bytes."""

from __future__ import annotations

import io
import os
import shutil
import socket
import stat
import struct
import subprocess
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.__main__ import main
from pipeline.archive import BadArchive, open_archive, plan, unpack
from tests.faults.harness import REPOSITORY, python
from tools.demo import mirror

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


def second_field(data: bytes, offset: int, form: str, value: int) -> bytes:
    """The same of the second entry."""
    at = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    return data[:at] + directory_field(data[at:], offset, form, value)


def end_field(data: bytes, offset: int, form: str, value: int) -> bytes:
    """Overwrites one field of the record at the end."""
    at = data.rindex(b"PK\5\6") + offset
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]


def with_zip64_size(claimed: int, kept: int) -> bytes:
    """A member whose size stands in a zip64 field, ``kept`` of whose 8 bytes are there."""
    data = zipped(("val2017/1.jpg", b"one" * 100))
    at = data.index(b"PK\1\2")
    extra = struct.pack("<HH", 1, kept) + struct.pack("<Q", claimed)[:kept]
    entry = directory_field(data[at:], 24, "<I", 0xFFFFFFFF)
    entry = directory_field(entry, 30, "<H", len(extra))
    name_end = 46 + len("val2017/1.jpg")
    end = entry.index(b"PK\5\6")
    grown = entry[:name_end] + extra + entry[name_end:end] + entry[end:]
    return data[:at] + end_field(grown, 12, "<I", end + len(extra))


def nested() -> bytes:
    """An entry that lies inside the data of another one."""
    inner = zipped(("b", b"y" * 50))
    local = inner[: inner.index(b"PK\1\2")]
    data = zipped(("a", local + b"z" * 10), ("b", b"y" * 50))
    return second_field(data, 42, "<I", 30 + len("a"))


BOMB = zipped(("bomb", b"\0" * (4 << 20)), method=zipfile.ZIP_DEFLATED)
GOOD = zipped(("val2017/1.jpg", b"one" * 100), ("val2017/2.jpg", b"two" * 100))

DEFLATED = zipped(
    ("val2017/1.jpg", bytes(range(256)) * 3), ("val2017/2.jpg", b"two" * 100), method=zipfile.ZIP_DEFLATED
)

REFUSED: dict[str, tuple[bytes, str]] = {
    "parent": (zipped(("../x", b"")), "leaves the folder"),
    "parent inside": (zipped(("a/../../x", b"")), "leaves the folder"),
    "dot": (zipped(("a/./x", b"")), "leaves the folder"),
    "absolute": (zipped(("/etc/x", b"")), "absolute"),
    "drive": (zipped(("C:x", b"")), "absolute"),
    "backslash": (zipped(("a\\b", b"")), "backslash"),
    "NUL": (zipped(("a\0b", b"")), "NUL"),
    "control": (zipped(("a\nb", b"")), "control"),
    "long name": (zipped(("a" * 256, b"")), "longer than 250"),
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
    "empty name": (zipped(("", b"")), "absolute or empty"),
    "root": (zipped(("/", b"")), "absolute or empty"),
    "host": (zipped(("//server/share/x", b"")), "absolute"),
    "parent at the end": (zipped(("a/..", b"")), "leaves the folder"),
    "parent of windows": (zipped(("..\\x", b"")), "backslash"),
    "delete in a name": (zipped(("a\x7f", b"")), "control"),
    "escape in a name": (zipped(("a\x1b[2J", b"")), "control"),
    "long folder": (zipped(("a" * 256 + "/x", b"")), "longer than 250"),
    "no room for .part": (zipped(("a" * 251, b"")), "longer than 250"),
    "name of a part": (zipped(("a.part", b"1"), ("a", b"2")), "while it is written its name is"),
    "name of a part but for case": (zipped(("b/A", b"2"), ("b/a.PART", b"1")), "while it is written"),
    "long path": (zipped(("/".join(["abcdefgh"] * 200), b"")), "longer than 1024"),
    "symlink in a folder": (zipped(("a/b/x", b"../../x"), mode=stat.S_IFLNK | 0o777), "symbolic link"),
    "symlink to write through": (zipped(("val2017", b"/tmp"), mode=stat.S_IFLNK | 0o777), "symbolic link"),
    "twice in another normal form": (zipped(("\u00e9", b"1"), ("e\u0301", b"2")), "taken"),
    "folder twice but for case": (zipped(("A/x", b"1"), ("a", b"2")), "file and a folder"),
    "file behind its own folder": (zipped(("x/y", b"2"), ("x", b"1")), "file and a folder"),
    "strongly encrypted": (directory_field(GOOD, 8, "<H", 0x40), "encrypted"),
    "encrypted directory": (directory_field(GOOD, 8, "<H", 0x2000), "encrypted"),
    "patch": (directory_field(GOOD, 8, "<H", 0x20), "patch"),
    "deflate64": (directory_field(GOOD, 10, "<H", 9), "compression method 9"),
    "bzip2": (directory_field(GOOD, 10, "<H", 12), "compression method 12"),
    "lzma": (directory_field(GOOD, 10, "<H", 14), "compression method 14"),
    "second one is encrypted": (second_field(GOOD, 8, "<H", 1), "encrypted"),
    "bomb that claims 4 GB": (
        directory_field(zipped(("x", b"1" * 3000), method=zipfile.ZIP_DEFLATED), 24, "<I", 0xFFFFFFF0),
        "more than 200 to 1",
    ),
    "same data under two names": (second_field(GOOD, 42, "<I", 0), "overlaps"),
    "entry inside another": (nested(), "overlaps"),
    "entry behind the end": (second_field(GOOD, 42, "<I", 1 << 20), "runs into"),
    "zip64, 1 TB stored": (with_zip64_size(1 << 40, 8), "stored, but"),
    "zip64, cut field": (with_zip64_size(1 << 40, 4), "directory can not be read"),
    "directory longer than the file": (end_field(GOOD, 12, "<I", 1 << 20), "not a zip|can not be read"),
    "directory cut": (GOOD[: GOOD.rindex(b"PK\1\2") + 20] + GOOD[GOOD.rindex(b"PK\5\6") :], "."),
    "directory zeroed": (
        GOOD[: GOOD.index(b"PK\1\2")] + bytes(40) + GOOD[GOOD.index(b"PK\1\2") + 40 :],
        "can not be read",
    ),
    "gzip": (b"\x1f\x8b\x08" + bytes(200), "not a zip"),
    "tar": (b"val2017/1.jpg".ljust(100, b"\0") + b"0000644\0" + bytes(404), "not a zip"),
    "zeros": (bytes(5000), "not a zip"),
    "first bytes gone": (GOOD[10:], "."),
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


@pytest.mark.parametrize(
    ("limit", "value", "message"), [("MAX_MEMBERS", 1, "2 entries"), ("MAX_TOTAL", 599, "600 bytes unpacked")]
)
def test_bombs_of_many_members_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, message: str
) -> None:
    (tmp_path / "a.zip").write_bytes(GOOD)
    monkeypatch.setattr(f"pipeline.archive.{limit}", value)
    with pytest.raises(BadArchive, match=message):
        _planned(tmp_path / "a.zip")


def test_a_second_name_in_an_extra_field_is_refused(tmp_path: Path) -> None:
    """Newer versions of zipfile would write to it: Info-ZIP's Unicode Path, 0x7075."""
    other = b"../escaped.txt"
    field = b"\1" + struct.pack("<I", zlib.crc32(b"ok.txt")) + other
    info = zipfile.ZipInfo("ok.txt")
    info.extra = struct.pack("<HH", 0x7075, len(field)) + field
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr(info, b"x")
    with open_archive(tmp_path / "a.zip") as archive:
        archive.infolist()[0].filename = other.decode()  # as those versions do on reading
        with pytest.raises(BadArchive, match="a second name"):
            plan(archive)


ODD_BUT_RIGHT = {
    "data in front": b"#!/bin/sh\n" * 20 + GOOD,
    "data behind": GOOD + b"\0" * 100,
    "comment": end_field(GOOD, 20, "<H", 5) + b"hello",
    "other number of disks": end_field(GOOD, 4, "<H", 1),
    "wrong count of entries": end_field(GOOD, 10, "<H", 9),
    "name that is no UTF-8": GOOD.replace(b"val2017/1.jpg", b"val2017/\xe9.jpg"),
}


@pytest.mark.parametrize("name", ODD_BUT_RIGHT)
def test_odd_archives_give_the_right_bytes_all_the_same(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.zip").write_bytes(ODD_BUT_RIGHT[name])
    with open_archive(tmp_path / "a.zip") as archive:
        for member in plan(archive):
            unpack(archive, member, tmp_path / "out")
    found = sorted(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert found == [b"one" * 100, b"two" * 100]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_is_refused_or_does_not_matter(tmp_path: Path, data: st.DataObject) -> None:
    """Bytes overwritten, cut out or doubled anywhere: nothing but BadArchive, nothing but the right bytes."""
    base = data.draw(st.sampled_from([GOOD, DEFLATED]))
    at = data.draw(st.integers(0, len(base) - 1))
    length = data.draw(st.integers(0, 12))
    damaged = base[:at] + data.draw(st.binary(max_size=12)) + base[at + length :]
    (tmp_path / "a.zip").write_bytes(damaged)
    out = tmp_path / "out"
    shutil.rmtree(out, ignore_errors=True)
    try:
        with open_archive(tmp_path / "a.zip") as archive:
            for member in plan(archive):
                unpack(archive, member, out)
                assert zlib.crc32((out / member.name).read_bytes()) == member.crc32
    except BadArchive:
        pass
    assert not list(out.rglob("*.part"))
    assert {path.name for path in tmp_path.iterdir()} <= {"a.zip", "out"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_good_archives_are_unpacked(tmp_path: Path, method: int) -> None:
    members = (("val2017/1.jpg", b"one" * 100), ("val2017/sub/2.jpg", bytes(range(256))))
    (tmp_path / "a.zip").write_bytes(zipped(*members, method=method))
    with open_archive(tmp_path / "a.zip") as archive:
        for member in plan(archive):
            unpack(archive, member, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name, _ in members} == dict(members)


def put(kind: str, path: Path) -> None:
    """Makes something that is no regular file."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(
            {"device": "/dev/zero", "terminal": "/dev/tty", "nothing": path.with_name("none")}[kind]
        )


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device", "terminal"])
def test_what_is_no_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    put(kind, tmp_path / "a.zip")
    started = time.monotonic()
    with pytest.raises(BadArchive, match="no file"), open_archive(tmp_path / "a.zip"):
        pass
    assert time.monotonic() - started < 1


def test_a_link_to_an_archive_is_opened(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(GOOD)
    (tmp_path / "link.zip").symlink_to(tmp_path / "a.zip")
    with open_archive(tmp_path / "link.zip") as archive:
        assert len(archive.namelist()) == 2
    assert archive.fp is None, "it is closed"


def test_a_pipe_in_the_place_of_an_archive_is_refused_by_name(own_root: Path, tmp_path: Path) -> None:
    """By the real commands; the limit of time is what fails where somebody waits for a writer."""
    pipe = own_root / "archives/zips/val2017.zip"
    pipe.unlink()
    os.mkfifo(pipe)
    for options in (["--root", own_root], ["--archive", pipe, "--output", tmp_path / "made"]):
        command = python("-m", "pipeline.extract", *options)
        done = subprocess.run(
            command, cwd=REPOSITORY, capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 1, done.stderr
        assert f"{pipe} is refused" in done.stderr and "a named pipe" in done.stderr
    assert not (tmp_path / "made").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root"]


def test_a_pipe_in_the_place_of_an_archive_is_named_and_fetched_again(
    own_root: Path, miniature_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = own_root / "archives/zips/val2017.zip"
    pipe.unlink()
    os.mkfifo(pipe)
    assert main(["verify", "--root", str(own_root)]) == 1
    assert "output archives/zips/val2017.zip is a named pipe now, it was a file" in capsys.readouterr().err
    with mirror(miniature_release) as url:
        assert main(["run", "--root", str(own_root), "--mirror", url, "--workers", "1"]) == 0
    assert pipe.read_bytes() == (miniature_release / "zips/val2017.zip").read_bytes()
    assert main(["verify", "--root", str(own_root)]) == 0
