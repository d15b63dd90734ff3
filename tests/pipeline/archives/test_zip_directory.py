"""The entries of a zip file are those that zipfile finds, and a bomb of them is refused before anything is made of it."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path

import pytest

from pipeline.archives import archive
from pipeline.archives.archive import open_archive, plan
from pipeline.archives.fault import BadArchive
from pipeline.archives.zip_directory import CHUNK, LOCATOR, DirectoryError, entries, find_directory
from tests.pipeline.archive_corpus import (
    DEFLATED,
    GOOD,
    ODD_BUT_RIGHT,
    OUTER,
    Raw,
    end_field,
    named_zip,
    raw_zip,
    zipped,
)


def large_archive(entries: int, announced: int) -> bytes:
    """An archive of empty members with the zip64 records at its end; smaller ones have them, too."""
    data = zipped(*((f"{n:05}", b"") for n in range(entries)))
    start, end = data.index(b"PK\1\2"), data.rindex(b"PK\5\6")
    records = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, announced, announced, end - start, start
    ) + LOCATOR.pack(b"PK\6\7", 0, end, 1)
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:end] + records + last


def zip64_size() -> bytes:
    """A member whose three numbers stand in a zip64 field."""
    name, data = b"a", b"x" * 300
    field = struct.pack("<HHQQQ", 1, 24, len(data), len(data), 0)
    whole = raw_zip(Raw(name, data, extra=field))
    at = whole.index(b"PK\1\2")
    directory = bytearray(whole[at:])
    directory[20:28], directory[42:46] = b"\xff" * 8, b"\xff" * 4
    return whole[:at] + bytes(directory)


ARCHIVES = ODD_BUT_RIGHT | {
    "good": GOOD, "deflated": DEFLATED, "zip64": large_archive(3, 3), "zip64 in front": b"front" + large_archive(3, 3),
    "zip64 sizes": zip64_size(), "an archive in it": OUTER,
    "more than one piece": zipped(*((f"{n:05}" * 4_000, b"") for n in range(CHUNK // 20_000 + 1))),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVES)
def test_they_are_what_zipfile_reads(name: str) -> None:
    file = io.BytesIO(ARCHIVES[name])
    directory = find_directory(file)
    assert directory is not None
    found = [
        (each.raw.decode(), each.size, each.packed, each.crc32, each.method, each.offset, each.attributes)
        for each in entries(file, directory)
    ]
    expected = zipfile.ZipFile(io.BytesIO(ARCHIVES[name])).infolist()
    assert found == [
        (i.filename, i.file_size, i.compress_size, i.CRC, i.compress_type, i.header_offset, i.external_attr)
        for i in expected
    ]


@pytest.mark.parametrize("data", [b"", b"PK\5\6", b"PK\5\6".ljust(21, b"\0"), bytes(1 << 17)])
def test_no_record_is_no_directory(data: bytes) -> None:
    assert find_directory(io.BytesIO(data)) is None


def test_a_directory_that_the_file_ends_in_is_named() -> None:
    directory = find_directory(io.BytesIO(GOOD))
    assert directory is not None
    with pytest.raises(DirectoryError, match="the file ends in its directory"):
        list(entries(io.BytesIO(GOOD), directory._replace(bytes=1 << 20)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (large_archive(9, 9), "9 entries; the limit is 8"),
        (large_archive(9, 3), "more than 8 entries.* announced: 3"),
        (large_archive(3, 1 << 40), "1,099,511,627,776 entries"),
        (end_field(zipped(*((f"{n}", b"") for n in range(9))), 8, "<L", 0x20002), "more than 8 entries"),
        (end_field(GOOD, 12, "<I", (256 << 20) + 1), "a directory of 268,435,457 bytes"),
    ],
)
def test_a_bomb_of_entries_is_refused_before_anything_is_made_of_it(
    data: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    with (tmp_path / "a.zip").open("wb") as file:
        file.seek(257 << 20)  # a hole in front, so that the largest directory could be there
        file.write(data)
    monkeypatch.setattr(archive, "MAX_MEMBERS", 8)
    monkeypatch.setattr(archive, "_refuse_clashes", lambda *_: made.append("looked at"))
    with pytest.raises(BadArchive, match=message), open_archive(tmp_path / "a.zip") as opened:
        plan(opened)
    assert not made


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (large_archive(3, 3).replace(b"PK\6\6", b"PK\6\0"), "its zip64 record is not where it has to be"),
        (GOOD.replace(b"PK\1\2\x14\3\x14", b"PK\1\2\x14\3\x63"), r"made for version 9\.9 of the format"),
    ],
    ids=["zip64", "version"],
)
def test_a_directory_that_cannot_be_read_is_named(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(BadArchive, match=message), open_archive(tmp_path / "a.zip") as opened:
        plan(opened)


def test_more_entries_than_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 2)
    (tmp_path / "a.zip").write_bytes(large_archive(3, 3))
    with pytest.raises(BadArchive, match="3 entries; the limit is 2"), open_archive(tmp_path / "a.zip"):
        pass
    (tmp_path / "a.zip").write_bytes(large_archive(3, 2))
    with (
        pytest.raises(BadArchive, match="more than 2 entries, which is the limit; announced: 2"),
        open_archive(tmp_path / "a.zip") as opened,
    ):
        plan(opened)


def test_a_name_in_no_alphabet_that_is_told_says_how_to_pack_it_again(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(named_zip(b"\xff\xfe.jpg", creator=3))
    with (
        pytest.raises(BadArchive, match="is neither UTF-8 nor in an alphabet") as caught,
        open_archive(tmp_path / "a.zip") as opened,
    ):
        plan(opened)
    assert "7z with -mcu=on" in caught.value.fix("fetch it")


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")
    with (
        pytest.raises(BadArchive, match="it is a named pipe, not a file") as caught,
        open_archive(tmp_path / "a.zip"),
    ):
        pass
    assert "put the archive itself there (fetch it)" in caught.value.fix("fetch it")
