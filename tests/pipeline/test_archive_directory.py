"""The entries of a zip file are counted as zipfile would find them, and a bomb of them never reaches it."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from pipeline import archive
from pipeline.archive import BadArchive, open_archive
from pipeline.archive_directory import ENTRY, LOCATOR, count_entries, find_directory
from tests.pipeline.test_archive import DEFLATED, GOOD, ODD_BUT_RIGHT, end_field, zipped


def large_archive(entries: int, announced: int) -> bytes:
    """An archive of empty members with the zip64 records at its end; smaller ones have them, too."""
    data = zipped(*((f"{n:05}", b"") for n in range(entries)))
    start, end = data.index(b"PK\1\2"), data.rindex(b"PK\5\6")
    records = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, announced, announced, end - start, start
    ) + LOCATOR.pack(b"PK\6\7", 0, end, 1)
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:end] + records + last


ARCHIVES = ODD_BUT_RIGHT | {"good": GOOD, "deflated": DEFLATED, "zip64": large_archive(3, 3)}


@pytest.mark.parametrize("name", ARCHIVES)
def test_they_are_counted_as_zipfile_counts_them(name: str) -> None:
    file = io.BytesIO(ARCHIVES[name])
    directory = find_directory(file)
    assert directory is not None
    there = len(zipfile.ZipFile(io.BytesIO(ARCHIVES[name])).infolist())
    assert count_entries(file, directory, 99, lambda: False) == there
    assert count_entries(file, directory, there - 1, lambda: False) == there, (
        "one more than the most is enough"
    )
    assert directory.bytes >= there * ENTRY.size


@pytest.mark.parametrize("data", [b"", b"PK\5\6", b"PK\5\6".ljust(21, b"\0"), bytes(1 << 17)])
def test_no_record_is_no_directory(data: bytes) -> None:
    assert find_directory(io.BytesIO(data)) is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (large_archive(9, 9), "9 entries, at most 8"),
        (large_archive(9, 3), "more than 8 entries.* 3 are announced"),
        (large_archive(3, 1 << 40), "1,099,511,627,776 entries"),
        (end_field(zipped(*((f"{n}", b"") for n in range(9))), 10, "<H", 2), "more than 8 entries"),
        (end_field(GOOD, 12, "<I", (256 << 20) + 1), "a directory of 268,435,457 bytes"),
    ],
)
def test_a_bomb_of_entries_never_reaches_zipfile(
    data: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    monkeypatch.setattr(archive, "MAX_MEMBERS", 8)
    monkeypatch.setattr(archive.zipfile, "ZipFile", lambda file: pytest.fail("it is read"))
    with pytest.raises(BadArchive, match=message), open_archive(tmp_path / "a.zip"):
        pass
