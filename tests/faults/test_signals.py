"""SIGINT and SIGTERM in each stage, and beside the stages: out within 5 s, 130 or 143, a line how to go on — and it goes on."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.runner.clean import Selection, plan, remove
from pipeline.stages import NAMES
from pipeline.stop import NEVER
from tests import warm
from tools.demo import mirror

LIMIT_S = 5.0

SIGNALLED = """
import os, sys, threading, time
from dataclasses import replace
from pipeline.__main__ import main
from pipeline.stages import named
from pipeline.stop import Stop

def signalled(stage, number, note):
    run, first = stage.run, threading.Lock()

    def started(context):
        def asked():
            with first:  # threads ask, too
                if not os.path.exists(note):
                    open(note, "x").write(repr(time.time()))
                    os.kill(os.getpid(), number)
            return context.stop.wanted()
        return run(replace(context, stop=Stop(asked)))

    object.__setattr__(stage, "run", started)

if __name__ == "__main__":
    signalled(named(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    sys.exit(main(sys.argv[4:]))
"""
"""The real command; the stage's first question whether to stop is answered by a real signal."""


def everything(root: Path) -> dict[str, bytes]:
    """What the stages publish, without what the runner notes."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".pipeline" not in path.parts
    }


def without(root: Path, names: set[str]) -> dict[str, bytes]:
    return {name: data for name, data in everything(root).items() if name not in names}


@pytest.fixture
def root_before(miniature_root: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A root in which the stages before the one in question are done."""
    root = tmp_path / "root"
    shutil.copytree(miniature_root, root)
    remove(plan(root, Selection(stages=NAMES[NAMES.index(request.param) :])), print, NEVER)
    return root


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(("root_before", "stage"), [(name, name) for name in NAMES], indirect=["root_before"])
def test_a_signal_in_a_stage(
    root_before: Path,
    miniature_root: Path,
    miniature_release: Path,
    tmp_path: Path,
    stage: str,
    number: int,
    code: int,
) -> None:
    script, note = tmp_path / "signalled.py", tmp_path / "signalled"
    script.write_text(SIGNALLED)
    with mirror(miniature_release) as url:
        options = ["run", "--root", str(root_before), "--workers", "2", "--mirror", url]
        options += ["--format", "rgb", "--size", "64"] if stage == "pack" else []
        command = [sys.executable, str(script), stage, str(int(number)), str(note), *options]
        environment = {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PATH": "/usr/bin:/bin",
            "OMP_NUM_THREADS": "1",
        }
        done = warm.run(command, light=True, capture_output=True, text=True, env=environment, timeout=120)
        took = time.time() - float(note.read_text())
        assert done.returncode == code, done.stderr
        assert took < LIMIT_S
        assert "run the same command to resume" in done.stderr and "Traceback" not in done.stderr
        assert not (root_before / f".pipeline/{stage}.json").exists(), "a stopped stage is not finished"
        assert main(options) == 0
    packed = {name for name in everything(root_before) if name.startswith("packs/")}
    assert bool(packed) == (stage == "pack")
    assert without(root_before, packed) == everything(miniature_root)
    assert main(["verify", "--deep", "--root", str(root_before)]) == 0


@pytest.mark.parametrize("command", [("verify", "--deep"), ("status",), ("run",)])
def test_a_signal_while_files_are_looked_at(
    miniature_root: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    root = tmp_path / "root"
    shutil.copytree(miniature_root, root)  # other inodes: everything is read again
    code = (
        "import os, signal, sys\n"
        "from pipeline.data_root import manifests as trees\n"
        "from pipeline.__main__ import main\n"
        "crc = trees.crc32_of\n"
        "def slow(*a):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return crc(*a)\n"
        "trees.crc32_of = slow\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", code, *command, "--root", str(root)]
    done = warm.run(words, light=True, capture_output=True, text=True, timeout=60)
    assert done.returncode == 143, done.stdout + done.stderr
    assert "interrupted" in done.stderr and "Traceback" not in done.stderr


def test_output_that_nobody_reads_any_more_is_no_error(miniature_root: Path) -> None:
    command = [sys.executable, "-u", "-m", "pipeline", "status", "--root", str(miniature_root)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stderr is not None
    child.stdout.close()
    said = child.stderr.read()
    child.stderr.close()
    assert child.wait() in (0, 128 + signal.SIGPIPE) and said == ""
