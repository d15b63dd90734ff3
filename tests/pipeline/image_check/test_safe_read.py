"""What lies in a folder that nobody vouches for: nothing is followed, nothing blocks, nothing is blamed wrongly."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from pipeline.image_check import safe_read as image_files
from pipeline.image_check.safe_read import DiskFault, facts_now, list_entries, printable, read_image
from vision.images.formats import MAX_BYTES, BadImage


def refusal(folder: Path, name: str) -> str:
    with pytest.raises(BadImage) as caught:
        read_image(str(folder), name)
    return caught.value.reason.split(":")[0]


@pytest.mark.timeout(20)
def test_what_is_no_regular_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "real.jpg").write_bytes(b"x")
    (tmp_path / "dir.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "to_pipe.jpg").symlink_to("pipe.jpg")
    (tmp_path / "to_device.jpg").symlink_to("/dev/null")
    (tmp_path / "to_folder.jpg").symlink_to("dir.jpg")
    (tmp_path / "dangling.jpg").symlink_to("nowhere")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/real.jpg").write_bytes(b"y")
    (tmp_path / "way").symlink_to("sub")
    with socket.socket(socket.AF_UNIX) as listener:
        before = Path.cwd()
        os.chdir(tmp_path)  # a socket's path has to be short
        try:
            listener.bind("socket.jpg")
        finally:
            os.chdir(before)
    kinds = {
        "dir.jpg": "directory", "pipe.jpg": "fifo", "to_pipe.jpg": "fifo", "to_device.jpg": "device",
        "to_folder.jpg": "directory", "dangling.jpg": "missing", "loop.jpg": "link", "socket.jpg": "socket", "none.jpg": "missing",
        "real.jpg/x.jpg": "missing", "x" * 300: "missing",
    }  # fmt: skip
    assert {name: refusal(tmp_path, name) for name in kinds} == kinds
    assert refusal(tmp_path, "way/real.jpg") == "link", "a folder on the way that is a link is not followed"
    assert read_image(str(tmp_path), "sub/real.jpg")[0] == b"y"


def test_devices_are_not_opened() -> None:
    assert refusal(Path("/dev"), "null") == "device"


def test_facts_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"xyz")
    data, facts = read_image(str(tmp_path), "a.jpg")
    assert data == b"xyz" and facts == facts_now(tmp_path, "a.jpg") and facts.bytes == 3
    (tmp_path / "link").symlink_to("a.jpg")
    assert facts_now(tmp_path, "link") == facts and facts_now(tmp_path, "none") is None


def test_a_link_to_a_file_is_read_wherever_it_leads(tmp_path: Path) -> None:
    """The usual way to make a split: links to images that stand elsewhere; also links to links."""
    (tmp_path / "all").mkdir()
    (tmp_path / "split").mkdir()
    (tmp_path / "all/a.jpg").write_bytes(b"xyz")
    (tmp_path / "split/absolute.jpg").symlink_to(tmp_path / "all/a.jpg")
    (tmp_path / "split/relative.jpg").symlink_to("../all/a.jpg")
    (tmp_path / "split/twice.jpg").symlink_to("relative.jpg")
    for name in ("absolute.jpg", "relative.jpg", "twice.jpg"):
        data, facts = read_image(str(tmp_path / "split"), name)
        assert data == b"xyz" and facts.inode == (tmp_path / "all/a.jpg").stat().st_ino


@pytest.mark.timeout(20)
def test_what_a_link_leads_to_can_change_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is held before it is looked at: a pipe that takes its place behind the look is never opened."""
    (tmp_path / "real.jpg").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.jpg").symlink_to("real.jpg")
    look = image_files._require_regular

    def exchanged(found: os.stat_result, where: str = "") -> None:
        look(found, where)
        (tmp_path / "a.jpg").unlink(missing_ok=True)
        (tmp_path / "a.jpg").symlink_to("pipe")

    monkeypatch.setattr(image_files, "_require_regular", exchanged)
    assert read_image(str(tmp_path), "a.jpg")[0] == b"x"


def test_too_many_bytes_are_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse.jpg").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert refusal(tmp_path, "sparse.jpg") == "too_many_bytes"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_listed(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (tmp_path / "secret.jpg").chmod(0)
    assert refusal(tmp_path, "secret.jpg") == "unreadable"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ESTALE])
def test_faults_of_the_machine_are_not_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")

    def fail(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(image_files.os, "read", fail)
    with pytest.raises(DiskFault) as caught:
        read_image(str(tmp_path), "a.jpg")
    assert caught.value.errno == number and str(caught.value.filename).endswith("a.jpg")


def test_the_listing_is_in_order_and_goes_into_folders_but_not_links(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg", "sub/c.jpg", "album.jpg/d.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "way").symlink_to("sub")
    names = list(list_entries(tmp_path))
    assert names == ["a.jpg", "album.jpg", "album.jpg/d.jpg", "b.jpg", "empty", "sub/c.jpg", "way"]


def test_names_that_are_not_utf8_can_be_written_down() -> None:
    assert printable(os.fsdecode(b"\xffa.jpg")) == "\\xffa.jpg" and printable("ä.jpg") == "ä.jpg"
