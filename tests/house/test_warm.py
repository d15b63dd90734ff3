"""A program that is forked from a template is the program that an interpreter starts, as far as tests look at it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import warm

SAID = """
import atexit, os, sys
atexit.register(print, "at the end")
print(__name__, sys.argv, sys.path[0], os.getcwd(), os.environ.get("ASKED"), sorted(set(sys.modules) & {"pipeline"}))
print("aloud", file=sys.stderr)
"""
ENDS = {
    "normal": "",
    "status": "raise SystemExit(7)",
    "words": "sys.exit('no')",
    "error": "1 / 0",
    "killed": "os.kill(os.getpid(), 9)",
    "interrupted": "os.kill(os.getpid(), 2)\nimport time; time.sleep(9)",
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", ["-c", "script"])
def test_what_it_sees_says_and_ends_with(kind: str, end: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(SAID + ENDS[end])
    words = ["-c", SAID + ENDS[end]] if kind == "-c" else [str(tmp_path / "program.py")]
    command = [sys.executable, *words, "a", "b c"]
    known = {**os.environ, "ASKED": "yes"}
    options = {"cwd": tmp_path, "env": known, "capture_output": True, "text": True}
    ours = warm.run(command, light=True, **options)
    theirs = subprocess.run(command, check=False, **options)  # type: ignore[call-overload]
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)
    assert ours.stderr.splitlines()[-1] == theirs.stderr.splitlines()[-1]


def test_it_is_a_child_with_a_session_of_its_own_that_can_be_asked_waited_for_and_killed() -> None:
    text = "import sys, time; print(sys.stdin.readline(), flush=True); time.sleep(60)"
    process = warm.Popen(
        [sys.executable, "-c", text], light=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("asked\n")
    process.stdin.flush()
    assert process.stdout.readline() == "asked\n" and process.poll() is None
    assert os.getsid(process.pid) == process.pid
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(timeout=60) == -signal.SIGKILL


def test_a_module_that_is_edited_is_read_anew(tmp_path: Path) -> None:
    for number in (1, 10):  # of another length: bytecode on the disk is told by whole seconds and the length
        (tmp_path / "edited.py").write_text(f"print({number})")
        done = warm.run(
            [sys.executable, "-m", "edited"], light=True, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.stdout == f"{number}\n", done.stderr


FORKED = """
import os, sys
from tests import warm
opened = os.open("/dev/null", os.O_RDONLY)
warm.HEAVY = ("json",)
os.environ["PYTEST_XDIST_WORKER"] = "gw0"
warm.pytest_addoption()
assert "json" in sys.modules and opened == 3
def starts(): raise AssertionError("a template is started")
warm.Template.started = starts
done = warm.run([sys.executable, "-c", sys.argv[1], "a"], light=False, capture_output=True, text=True)
sys.stderr.write(done.stderr)
print(done.stdout, end="")
sys.exit(done.returncode)
"""
LOOK = """
import gc, os, signal, sys
print(sys.argv, sys.path[:2], gc.isenabled(), signal.getsignal(signal.SIGINT) is signal.default_int_handler)
print(os.getsid(0) == os.getpid(), sorted(os.listdir("/proc/self/fd"))[:3], len(os.listdir("/proc/self/fd")))
print([name for name in sys.modules if name.split(".")[0] in ("tests", "vision", "pipeline")])
import warnings
warnings.warn("aloud")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="programs are forked on Linux alone")
def test_a_template_that_a_process_of_tests_forks_from_itself_gives_the_same_programs() -> None:
    options: dict[str, Any] = {"cwd": warm.REPOSITORY, "capture_output": True, "text": True, "check": False}
    ours = subprocess.run([sys.executable, "-c", FORKED, LOOK], **options)
    options |= {"start_new_session": True, "preexec_fn": _with_interrupts}
    theirs = subprocess.run([sys.executable, "-c", LOOK, "a"], **options)
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout), ours.stderr
    assert "UserWarning: aloud" in ours.stderr


def _with_interrupts() -> None:
    """Whoever started the tests in the background has Ctrl-C ignored in all that they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
