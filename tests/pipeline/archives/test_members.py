"""A million members in little room: measured as the largest memory of a process that plans them; the columns give them back."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from pipeline.archives.archive import open_archive, plan
from pipeline.archives.members import Members
from tests.faults.harness import REPOSITORY
from tests.pipeline.archive_corpus import Raw, named_zip, raw_zip

FEW, MANY = 20_000, 200_000
MILLION, MOST = 1_000_000, 500e6
"""Bytes that planning a million members may take, by the growth between few and many."""
MEASURED = """
import sys
from pathlib import Path
from pipeline.archives.archive import open_archive, plan
with open_archive(Path(sys.argv[1])) as archive:
    members = plan(archive)
    print(len(members), len(members.below("train2017/")))
print(next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def empty_members(path: Path, count: int) -> None:
    """As ``raw_zip``, without its objects; with the zip64 record that so many need."""
    file, directory = io.BytesIO(), io.BytesIO()
    for number in range(count):
        name = b"train2017/%012d.jpg" % number
        place = file.tell()
        common = struct.pack("<HHHHHLLLHH", 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0)
        file.write(b"PK\3\4" + common + name)
        directory.write(
            b"PK\1\2\x14\3" + common + struct.pack("<HHHLL", 0, 0, 0, 0o100644 << 16, place) + name
        )
    start, size = file.tell(), directory.tell()
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    end += struct.pack("<4sLQL", b"PK\6\7", 0, start + size, 1)
    end += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(file.getvalue() + directory.getvalue() + end)


def largest_memory(path: Path, count: int) -> int:
    """Of a process that plans the archive, in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, path], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    *counts, peak = map(int, done.stdout.split())
    assert counts == [count, count]
    return peak


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="/proc tells the largest memory of a process"
)
def test_a_million_members_take_less_than_half_a_gigabyte(tmp_path: Path) -> None:
    """By what each of the members takes beyond the first ones."""
    peaks = []
    for count in (FEW, MANY):
        empty_members(tmp_path / "a.zip", count)
        peaks.append(largest_memory(tmp_path / "a.zip", count))
    each = (peaks[1] - peaks[0]) / (MANY - FEW)
    assert peaks[0] + each * (MILLION - FEW) < MOST, f"{each:.0f} bytes for each member"


def test_the_columns_give_back_what_was_put_in(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(
        raw_zip(Raw(b"val2017/", b""), Raw("val2017/\u00e9".encode(), b"one"), Raw(b"val2017/b", b"three"))
    )
    with open_archive(tmp_path / "a.zip") as archive:
        members = plan(archive)
    assert [member.name for member in members] == ["val2017/\u00e9", "val2017/b"] and len(members) == 2
    assert members[1] == members[-1] == members[0:9][1] and members.bytes == 8
    one = members[0]
    assert (one.bytes, one.packed, one.crc32, one.method) == (3, 3, zlib.crc32(b"one"), 0)
    assert one.limit == members[1].offset and one.raw == "val2017/\u00e9".encode()
    files = members.below("val2017/")
    assert list(files) == ["\u00e9", "b"] and files["b"] == members[1] and "b" in files and len(files) == 2
    assert members[1].limit == archive.directory.start


def test_there_may_be_none() -> None:
    assert list(Members()) == [] and Members().bytes == 0 and not Members().below()


def test_a_name_in_a_code_page_is_found_again_in_its_local_header(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(named_zip("\u00e9", "b"))
    with open_archive(tmp_path / "a.zip") as archive:
        members = plan(archive)
    assert not members.raws, "only other alphabets than UTF-8 are kept twice"
