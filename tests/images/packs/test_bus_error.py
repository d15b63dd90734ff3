"""A mapped file that is cut ends the process by SIGBUS, with words; what is read and not mapped is an error as any other."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.images.packs.test_file import write
from vision.images.packs.file import PackFile

REPOSITORY = Path(__file__).resolve().parents[3]
READS = """
import os, sys, threading
from pathlib import Path
from vision.images.packs.bus_error import told
from vision.images.packs.file import PackFile

pack = PackFile(Path(sys.argv[1]))
if sys.argv[2] == "behind it":
    with told("words"):
        pass
os.truncate(pack.folder / "pixels.bin", 0)
assert pack.lost_bytes() == pack.record.bytes
read = lambda: pack.rgb(3).sum()
with told("words\\n  why: ö"):
    if sys.argv[2] == "sent":
        os.kill(os.getpid(), 7)
    if sys.argv[2] == "threads":
        for thread in [threading.Thread(target=read) for _ in range(3)]:
            thread.start()
        thread.join()
    if sys.argv[2] != "behind it":
        read()
read()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="numbers of signals")
@pytest.mark.parametrize("how", ["at once", "threads", "sent", "behind it"])
def test_words_and_then_the_signal(how: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "pack", "rgb")
    words = [sys.executable, "-c", READS, str(folder), how]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == -signal.SIGBUS, done.stderr
    said = "words\n  why: ö\n"  # by each thread that fails before the process has ended
    assert not done.stderr.replace(said, "") and (said in done.stderr) == (how != "behind it")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="numbers of signals")
def test_the_stacks_of_faulthandler_come_behind_the_words(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-X",
        "faulthandler",
        "-c",
        READS,
        str(write(tmp_path / "pack", "rgb")),
        "at once",
    ]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == -signal.SIGBUS, done.stderr
    assert done.stderr.startswith("words\n  why: ö\nFatal Python error: Bus error")


def test_a_disk_that_fails_is_an_error_where_records_are_proven(tmp_path: Path) -> None:
    gone, cut = (PackFile(write(tmp_path / name, "jpeg")) for name in ("gone", "cut"))
    (gone.folder / "pixels.bin").unlink()
    with pytest.raises(FileNotFoundError):
        gone.damaged([0])
    assert gone.lost_bytes() == cut.lost_bytes() == 0, "what is mapped stays there without its name"
    (cut.folder / "pixels.bin").write_bytes(b"")
    assert cut.lost_bytes() == cut.record.bytes and cut.damaged([0]) == 0
