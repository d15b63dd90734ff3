"""What stands in the place of an archive: nothing is waited for, and nothing is read that is far too much."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.archive import BadArchive, open_archive
from tests.faults.harness import REPOSITORY, python
from tests.pipeline.test_archive import GOOD
from tools.demo import mirror


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
