"""Archives that nobody vouches for: refused whole, with member and reason, or unpacked to the right bytes."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.__main__ import main
from pipeline.archives.archive import STORED, _refuse_overlaps, open_archive, plan
from pipeline.archives.fault import BadArchive
from pipeline.archives.members import Member, Members
from pipeline.archives.unpack_member import CHUNK, _inflated, unpack
from pipeline.archives.zip_directory import LOCAL, Directory
from pipeline.stop import NEVER
from tests.faults.harness import REPOSITORY, python
from tests.pipeline.archive_corpus import (
    DAMAGED,
    DEFLATED,
    GOOD,
    INNER,
    ODD_BUT_RIGHT,
    OUTER,
    REFUSED,
    RIGHT_NAMES,
    zipped,
)
from tools.demo import mirror


def _planned(path: Path) -> None:
    with open_archive(path) as archive:
        plan(archive)


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_archives_are_refused_before_a_byte_is_written(tmp_path: Path, name: str) -> None:
    data, message = REFUSED[name]
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(BadArchive, match=message):
        _planned(tmp_path / "a.zip")


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
    monkeypatch.setattr(f"pipeline.archives.archive.{limit}", value)
    with pytest.raises(BadArchive, match=message):
        _planned(tmp_path / "a.zip")


@pytest.mark.parametrize("name", RIGHT_NAMES)
def test_names_are_what_their_maker_meant(tmp_path: Path, name: str) -> None:
    data, expected = RIGHT_NAMES[name]
    (tmp_path / "a.zip").write_bytes(data)
    with open_archive(tmp_path / "a.zip") as archive:
        members = plan(archive)
        assert [member.name for member in members] == [expected]
        unpack(archive, members[0], tmp_path / "out")
    assert [os.fsencode(path) for path in (tmp_path / "out").rglob("*") if path.is_file()] == [
        os.fsencode(tmp_path / "out") + b"/" + expected.encode()
    ]


def test_an_archive_in_an_archive_is_a_member(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(OUTER)
    with open_archive(tmp_path / "a.zip") as archive:
        members = plan(archive)
        assert [member.name for member in members] == ["val2017/1.jpg", "inner.zip"]
        unpack(archive, members[1], tmp_path)
    assert (tmp_path / "inner.zip").read_bytes() == INNER


@pytest.mark.parametrize("whole", [GOOD, DEFLATED, OUTER], ids=["stored", "deflated", "an archive in it"])
def test_cut_anywhere_it_is_refused_as_damaged(whole: bytes, tmp_path: Path) -> None:
    """Never what is left of it, nor what stands inside: another copy helps, and that is what is said."""
    for length in range(len(whole)):
        (tmp_path / "a.zip").write_bytes(whole[:length])
        with pytest.raises(BadArchive) as refused:
            _planned(tmp_path / "a.zip")
        assert "fetch it again (get it)" in refused.value.fix("get it"), (length, str(refused.value))


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
    with pytest.raises(BadArchive, match="not a file"), open_archive(tmp_path / "a.zip"):
        pass
    assert time.monotonic() - started < 1


def test_a_link_to_an_archive_is_opened(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(GOOD)
    (tmp_path / "link.zip").symlink_to(tmp_path / "a.zip")
    with open_archive(tmp_path / "link.zip") as archive:
        assert len(plan(archive)) == 2
    assert archive.file.closed


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


def test_a_pipe_in_the_place_of_an_archive_is_named_and_stays(
    own_root: Path, miniature_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = own_root / "archives/zips/val2017.zip"
    pipe.unlink()
    os.mkfifo(pipe)
    assert main(["verify", "--root", str(own_root)]) == 1
    assert "output archives/zips/val2017.zip is a named pipe now, it was a file" in capsys.readouterr().err
    with mirror(miniature_release) as url:
        assert main(["run", "--root", str(own_root), "--mirror", url, "--workers", "1"]) == 1
        assert "is a pipe and is not replaced" in capsys.readouterr().err and pipe.is_fifo()
        pipe.unlink()
        assert main(["run", "--root", str(own_root), "--mirror", url, "--workers", "1"]) == 0
    assert main(["verify", "--root", str(own_root)]) == 0


def test_however_well_it_is_packed_little_is_unpacked_at_a_time() -> None:
    size = 20 * CHUNK + 5
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = deflate.compress(bytes(size)) + deflate.flush()
    member = Member("zeros", size, 0, len(packed), 8, 0, 0, b"zeros")
    sizes = [len(chunk) for chunk in _inflated([packed], member)]
    assert sum(sizes) == size and max(sizes) <= CHUNK


@pytest.mark.parametrize("shared", [0, 1])
def test_two_members_do_not_share_a_byte(shared: int) -> None:
    end = LOCAL.size + len("a") + 10
    members = Members()
    members.add("a", b"a", 10, 0, 10, STORED, 0)
    members.add("b", b"b", 10, 0, 10, STORED, end - shared)
    directory = Directory(2 * end - shared, 0, 2, 0, False)
    archive: Any = SimpleNamespace(directory=directory, file=None)
    with pytest.raises(BadArchive, match="'a': overlaps 'b'") if shared else contextlib.nullcontext():
        _refuse_overlaps(archive, members, NEVER.check)
