"""The data folder on a disk that becomes full: said in three lines, nothing half-made has a name, the same command resumes."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.command.run_stage import reported
from pipeline.stop import Stop
from tests import warm
from tests.engine.tiny_runs import TINY, step_rows
from tools.demo import mirror

WITHOUT_PREFLIGHT = """
import sys
from types import SimpleNamespace
from pipeline import space
from pipeline.__main__ import main
space.shutil = SimpleNamespace(disk_usage=lambda folder: SimpleNamespace(free=1 << 60))  # else it refuses at once
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""
LARGE = 20 << 20


def mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Gives a file system of so many bytes; called again it has another size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", f"size={LARGE}", "tmpfs", str(folder)):
        pytest.skip("small file systems cannot be mounted here (needs root)")

    def sized(size: int) -> Path:
        assert mount("-o", f"remount,size={size}", str(folder))
        return folder

    yield sized
    subprocess.run(["umount", str(folder)], check=True)


def check_size(disk: Callable[[int], Path], release: Path, script: Path, size: int) -> int:
    script.write_text(WITHOUT_PREFLIGHT)
    root = disk(size) / "root"
    with mirror(release) as url:
        table = str(release / "release.json")
        options = ["run", "--root", str(root), "--release", table, "--mirror", url, "--workers", "1"]
        environment = dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, str(script), *options]
        done = warm.run(command, light=True, capture_output=True, text=True, env=environment)
        if done.returncode:
            assert done.returncode == 1 and "Traceback" not in done.stderr
            assert "error: the disk is full" in done.stderr and "fix: free some space" in done.stderr
        disk(LARGE)
        assert main(options) == 0
    assert main(["verify", "--deep", "--root", str(root)]) == 0
    assert list(root.rglob(".tmp-*")) == []
    return done.returncode


@pytest.mark.parametrize("kilobytes", [300, 1000, 1800])
def test_a_full_disk(
    disk: Callable[[int], Path], miniature_release: Path, tmp_path: Path, kilobytes: int
) -> None:
    """In download, in extract, and behind them; the finished root has about 1,900 kB."""
    assert check_size(disk, miniature_release, tmp_path / "run.py", kilobytes << 10) == 1


@pytest.mark.faults
def test_a_disk_that_is_full_at_any_moment(
    disk: Callable[[int], Path], miniature_release: Path, tmp_path: Path
) -> None:
    codes = []
    for kilobytes in range(40, 2200, 40):
        codes.append(check_size(disk, miniature_release, tmp_path / "run.py", kilobytes << 10))
        subprocess.run(["rm", "-r", str(disk(LARGE) / "root")], check=True)
    assert codes[0] == 1 and codes[-1] == 0 and codes == sorted(codes, reverse=True)


def test_a_read_only_disk(miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What only looks goes on working; what would write says so."""
    shutil.copytree(miniature_root, tmp_path / "root")
    root = tmp_path / "read-only"
    root.mkdir()
    if not mount("--bind", str(tmp_path / "root"), str(root)):
        pytest.skip("nothing can be mounted here (needs root)")
    try:
        assert mount("-o", "remount,ro,bind", str(root))
        for command in (("status",), ("verify", "--deep"), ("clean", "--all")):
            assert main([*command, "--root", str(root)]) == 0
        capsys.readouterr()
        for command in (("run",), ("run", "--force"), ("clean", "--all", "--yes")):
            assert main([*command, "--root", str(root)]) == 1
            said = capsys.readouterr().err
            assert "mounted read-only" in said and len(said.splitlines()) == 3
    finally:
        subprocess.run(["umount", str(root)], check=True)
    assert sorted(p.name for p in (tmp_path / "root").iterdir()) == sorted(
        p.name for p in miniature_root.iterdir()
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), ("the disk is full", "free some space")),
        (OSError(errno.EDQUOT, "Quota exceeded", "x"), ("the quota is used up", "x")),
        (
            OSError(errno.EIO, "Input/output error", "x"),
            ("x cannot be read or written", "input/output error"),
        ),
        (OSError(errno.EROFS, "Read-only file system", "x"), ("mounted read-only", "fix:")),
        (PermissionError(errno.EACCES, "Permission denied", "x"), ("permission is denied", "fix:")),
    ],
)
def test_an_error_of_the_disk_is_three_lines(
    error: OSError, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    assert reported(fail, Stop()) == 1
    said = capsys.readouterr().err
    assert all(word in said for word in words) and len(said.splitlines()) == 3


@pytest.mark.parametrize("kilobytes", [8, 16, 48])
def test_a_run_on_a_disk_that_becomes_full(
    disk: Callable[[int], Path],
    miniature_root: Path,
    capfd: pytest.CaptureFixture[str],
    kilobytes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the logs are written, and in the first checkpoint: one line that names the file, and it goes on.

    Others may fill a disk that had room when the run began, so what is asked before it begins is left out here.
    """
    from train_ssd import main as train
    from vision.engine.runs import disk as room

    monkeypatch.setattr(room, "require_room", lambda *_: None)
    run = disk(kilobytes << 10) / "run"
    line = ["--datasets", str(miniature_root), *TINY, "--checkpoint-folder", str(run), "--resume=auto"]
    line += ["--debug-steps=1", "--validation-epochs=100", "--epochs=2"]
    assert train(line) == 1
    said = capfd.readouterr().err
    assert "no space left to write" in said and str(run) in said
    assert "Traceback" not in said and "thread" not in said
    disk(LARGE)
    assert train(line) == 0
    assert [row["step"] for row in step_rows(run)] == list(range(1, 9))
