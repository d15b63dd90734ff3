"""What stands beside the directory cannot say otherwise than it: headers, descriptors, members that it does not know."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import zipfile
from contextlib import nullcontext
from pathlib import Path

import pytest

from pipeline.archives import archive as archives
from pipeline.archives.archive import open_archive, plan
from pipeline.archives.fault import BadArchive
from pipeline.archives.unpack_member import unpack
from pipeline.archives.zip_directory import Directory, DirectoryError
from tests.pipeline.archive_corpus import DEFLATED, GOOD, Raw, end_field, raw_zip, second_field, unicode_path

HIDDEN = raw_zip(Raw(b"evil.txt", b"evil")).partition(b"PK\1\2")[0]
FIRST, SECOND = "val2017/1.jpg", "val2017/2.jpg"


class Pipe(io.BytesIO):
    """Where a writer cannot go back to fill in a header."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError("a pipe")


def streamed(method: int = zipfile.ZIP_DEFLATED, large: bool = False) -> bytes:
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", method) as made:
        for name, data in ((FIRST, b"one" * 100), (SECOND, b"two" * 100)):
            with made.open(name, "w", force_zip64=large) as member:
                member.write(data)
    return pipe.getvalue()


def in_front_of_the_second(data: bytes, more: bytes) -> bytes:
    second, directory = data.index(b"PK\3\4", 4), data.index(b"PK\1\2")
    grown = data[:second] + more + data[second:]
    return end_field(second_field(grown, 42, "<L", second + len(more)), 16, "<L", directory + len(more))


def in_front_of_the_directory(data: bytes, more: bytes) -> bytes:
    directory = data.index(b"PK\1\2")
    return end_field(data[:directory] + more + data[directory:], 16, "<L", directory + len(more))


def header_field(data: bytes, offset: int, form: str, value: int) -> bytes:
    """Overwrites one field of the first header."""
    return data[:offset] + struct.pack(form, value) + data[offset + struct.calcsize(form) :]


TWO_READINGS: dict[str, tuple[bytes, str]] = {
    "hidden in the middle": (in_front_of_the_second(GOOD, HIDDEN), "bytes that its directory does not know"),
    "hidden at the end": (in_front_of_the_directory(GOOD, HIDDEN), "bytes that its directory does not know"),
    "hidden behind a descriptor": (in_front_of_the_directory(streamed(), HIDDEN), "bytes that its directory"),
    "hidden behind data in front": (b"#!/bin/sh\n" + HIDDEN + GOOD, "one that its directory does not know"),
    "zeros in the middle": (in_front_of_the_second(GOOD, bytes(20)), "20 bytes that its directory"),
    "CRC-32": (header_field(DEFLATED, 14, "<L", 999), "own header contradicts"),
    "packed size": (header_field(DEFLATED, 18, "<L", 9), "own header contradicts"),
    "size": (header_field(DEFLATED, 22, "<L", 999), "own header contradicts"),
    "size that stands nowhere": (header_field(DEFLATED, 22, "<L", 0xFFFFFFFF), "own header contradicts"),
    "method": (header_field(DEFLATED, 8, "<H", 0), "own header contradicts"),
    "encrypted": (header_field(DEFLATED, 6, "<H", 1), "own header contradicts"),
    "no descriptor": (header_field(DEFLATED, 6, "<H", 8), "descriptor is missing"),
    "sizes missing": (header_field(streamed(), 6, "<H", 0), "own header contradicts"),
    "descriptor of another": (streamed().replace(b"PK\7\x08", b"PK\7\x09", 1), "16 bytes that its directory"),
    "name of a folder": (raw_zip(Raw(b"a/", b""), Raw(b"b")).replace(b"a/", b"ax", 1), "another member"),
}  # fmt: skip


def read(data: bytes, folder: Path) -> dict[str, bytes]:
    path = folder / "a.zip"
    path.write_bytes(data)
    with open_archive(path) as archive:
        members = plan(archive)
        for member in members:
            unpack(archive, member, folder / "out")
        return {member.name: (folder / "out" / member.name).read_bytes() for member in members}


@pytest.mark.parametrize("name", TWO_READINGS)
def test_an_archive_that_means_two_things_is_refused(name: str, tmp_path: Path) -> None:
    data, message = TWO_READINGS[name]
    with pytest.raises(BadArchive, match=message):
        read(data, tmp_path)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.name.endswith("1.jpg")]


def test_a_second_name_that_only_the_header_has_is_refused(tmp_path: Path) -> None:
    raw = FIRST.encode()
    twice = raw_zip(Raw(raw, extra=unicode_path(raw, b"val2017/9.jpg")))
    directory = twice.index(b"PK\1\2")
    data = twice[:directory] + twice[directory:].replace(b"val2017/9.jpg", raw)
    with pytest.raises(BadArchive, match="own header contradicts"):
        read(data, tmp_path)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_python_writes_into_a_pipe_is_read(method: int, large: bool, tmp_path: Path) -> None:
    assert read(streamed(method, large), tmp_path) == {FIRST: b"one" * 100, SECOND: b"two" * 100}


def test_a_descriptor_needs_no_signature(tmp_path: Path) -> None:
    parts = streamed().split(b"PK\7\x08")
    data, second = b"".join(parts), len(parts[0]) + 12
    data = end_field(second_field(data, 42, "<L", second), 16, "<L", data.index(b"PK\1\2"))
    assert read(data, tmp_path) == {FIRST: b"one" * 100, SECOND: b"two" * 100}


@pytest.mark.skipif(not shutil.which("zip"), reason="no zip here")
@pytest.mark.parametrize("how", ["zip -qr - d | cat > a.zip", "zip -qr a.zip d", "zip -q0r -fz a.zip d",
    "zip -qr a.zip d && echo more > d/c && zip -q a.zip d/c && zip -qd a.zip d/c && echo remark | zip -qz a.zip",
    "(echo '#!/bin/sh'; zip -qr - d | cat) > a.zip && zip -qA a.zip"])  # fmt: skip
def test_what_zip_writes_is_read(how: str, tmp_path: Path) -> None:
    (tmp_path / "d/sub").mkdir(parents=True)
    files = {"d/1": b"one" * 100, "d/sub/2": bytes(range(256)), "d/empty": b""}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    subprocess.run(["bash", "-ec", how], cwd=tmp_path, check=True, capture_output=True)
    assert read((tmp_path / "a.zip").read_bytes(), tmp_path) == files


def test_the_headers_of_a_usual_archive_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the members' turns: an archive of 18 GB would be read twice otherwise."""
    usual = raw_zip(
        *(Raw(b"%d" % n, extra=struct.pack("<HH9xHH11x", 0x5455, 9, 0x7875, 11)) for n in range(9))
    )
    (tmp_path / "a.zip").write_bytes(usual)
    monkeypatch.setattr(archives, "find_data", lambda *_: pytest.fail("read while planning"))
    with open_archive(tmp_path / "a.zip") as archive:
        assert len(plan(archive)) == 9


@pytest.mark.parametrize("wide", [False, True])
def test_all_but_the_last_16_bits_of_the_number_of_entries_may_be_missing(wide: bool) -> None:
    """macOS leaves them out, and writes no zip64 record."""
    directory = Directory(0, 0, 3, 0, wide)
    directory.require_all(3)
    with pytest.raises(DirectoryError) if wide else nullcontext():
        directory.require_all(3 + (1 << 16))
