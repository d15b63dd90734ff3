"""The lock: one at a time, dies with its holder, names it, survives its own file being removed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.data_root.lock import root_lock
from pipeline.stage import Interrupted, StageError
from pipeline.stop import Stop
from vision.artefacts.data_layout import LOCK
from vision.artefacts.holder import take_lock

HOLD = """
import sys, time
from pathlib import Path
from pipeline.data_root.lock import root_lock
from pipeline.stop import Stop
with root_lock(Path(sys.argv[1]), True, print, Stop()):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(root: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(root)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    return child


def end(child: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    child.send_signal(number)
    child.wait()
    assert child.stdout is not None
    child.stdout.close()


def take(root: Path, said: list[str] | None = None) -> None:
    with root_lock(root, False, (said if said is not None else []).append, Stop()):
        pass


def test_it_names_process_and_command_of_the_holder_and_dies_with_it(tmp_path: Path) -> None:
    child = hold(tmp_path)
    try:
        with pytest.raises(StageError, match=f"process {child.pid} on ") as caught:
            take(tmp_path)
        assert "import sys, time" in caught.value.why and "--no-wait" in caught.value.fix
    finally:
        end(child)
    take(tmp_path)


def test_a_second_one_waits_says_so_once_and_goes_on(tmp_path: Path) -> None:
    child, said, asked = hold(tmp_path), [], []

    def let_go_soon() -> bool:
        asked.append(1)
        if len(asked) == 3:
            end(child)
        return False

    with root_lock(tmp_path, True, said.append, Stop(let_go_soon)):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    assert len(said) == 1 and f"process {child.pid}" in said[0]


def test_waiting_can_be_stopped(tmp_path: Path) -> None:
    with (
        root_lock(tmp_path, False, print, Stop()),
        pytest.raises(Interrupted),
        root_lock(tmp_path, True, lambda line: None, Stop(lambda: True)),
    ):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 4000, '{"pid": "x\\n"}', "x" * 9000, "\ud800"])
def test_a_note_that_can_not_be_read_does_not_matter(tmp_path: Path, content: str) -> None:
    with root_lock(tmp_path, False, print, Stop()):
        (tmp_path / LOCK).write_bytes(content.encode("utf-8", "surrogatepass"))
        with pytest.raises(StageError, match="another process"):
            take(tmp_path)


def test_a_full_disk_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    take(tmp_path)


def test_removed_with_its_folder_by_its_holder_it_is_made_anew(tmp_path: Path) -> None:
    with root_lock(tmp_path, False, print, Stop()):
        (tmp_path / LOCK).unlink()
        (tmp_path / ".pipeline").rmdir()
    take(tmp_path)


def test_who_waited_for_a_removed_lock_does_not_hold_beside_another(tmp_path: Path) -> None:
    """The old file is unlinked by its holder; the one who waits on it must not take that for the lock."""
    with root_lock(tmp_path, False, print, Stop()):
        old = os.open(tmp_path / LOCK, os.O_RDWR)
        (tmp_path / LOCK).unlink()
        with root_lock(tmp_path, False, print, Stop()):
            assert not os.path.samestat(os.fstat(old), (tmp_path / LOCK).stat())
    os.close(old)


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / ".pipeline").mkdir()
    (tmp_path / LOCK).symlink_to(target)
    with pytest.raises(OSError):
        take(tmp_path)
    assert target.read_text() == "mine"


def _count(root: str, times: int) -> None:
    for _ in range(times):
        with root_lock(Path(root), True, lambda line: None, Stop()):
            number = int(Path(root, "number").read_text())
            time.sleep(0.001)
            Path(root, "number").write_text(str(number + 1))


def test_nobody_works_beside_another(tmp_path: Path) -> None:
    (tmp_path / "number").write_text("0")
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_count, args=(str(tmp_path), 5)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (tmp_path / "number").read_text() == "20"


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    first = take_lock(tmp_path / "lock")
    assert first is not None and take_lock(tmp_path / "lock") is None
    os.close(first)
    second = take_lock(tmp_path / "lock")
    assert second is not None
    os.close(second)
