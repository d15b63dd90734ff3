"""What a program says at its very start: Ctrl-C while it imports, and a module that is no command."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tests.faults.harness import REPOSITORY
from vision.messages import early

SIGNALLED = """
import os, runpy, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == at:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background starts programs without it
at, module, *rest = sys.argv[1:]
sys.meta_path.insert(0, Interrupt())
sys.argv = [module, *rest]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
"""The real program; importing the module ``at`` meets a real signal."""


@pytest.mark.parametrize(
    ("module", "words", "at"),
    [
        ("pipeline", ["run", "--only", "extract"], "pipeline.runner.clean"),
        ("pipeline", ["run", "--until", "extract"], "pipeline.extract"),
        ("pipeline", ["list"], "pipeline.index"),
        ("pipeline.download", [], "pipeline.command.run_stage"),
        ("pipeline.validate_images", [], "pipeline.image_check.settings"),
        ("pipeline.remap_categories", [], "pipeline.remap_categories.own_file"),
        ("pipeline.index", ["query"], "pipeline.index.query"),
    ],
)
def test_an_interrupt_during_imports_is_one_line(
    module: str, words: list[str], at: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", SIGNALLED, at, module, *words]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert list(tmp_path.iterdir()) == []
    assert done.returncode == 130, done.stderr
    assert done.stderr.startswith("interrupted") and done.stderr.count("\n") == 1


def test_other_errors_are_shown_as_ever() -> None:
    script = "from vision.messages.early import guard; guard(); raise ValueError('seen')"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "Traceback" in done.stderr and "seen" in done.stderr


LEAVES = """
import atexit, sys, threading, time
from vision.messages.early import guard, leave
guard()

class Torn:
    def __del__(self):
        print("taken apart", file=sys.__stderr__, flush=True)

kept = Torn()
kept.itself = kept
atexit.register(print, "closed")
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
print("said")
"""


def left(how: str, where: str = "") -> tuple[int, str, str]:
    line = f'exec "$0" -c "$1" {where}'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable, LEAVES + how],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_program_leaves_without_being_taken_apart() -> None:
    """Threads end and what was registered is called as ever, and all of the output is there."""
    assert left("sys.exit(143)") == (143, "said\nthread\nclosed\n", "taken apart\n")
    assert left("leave(143)") == (143, "said\nthread\nclosed\n", "")


@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
def test_output_that_cannot_be_written_is_said_as_ever(where: str) -> None:
    status, _, said = left("leave(0)", where)
    assert (status, said.replace("taken apart\n", "")) == (
        left("sys.exit(0)", where)[0], left("sys.exit(0)", where)[2].replace("taken apart\n", ""),
    )  # fmt: skip


# ---------------------------------------------------------------- modules that are no command

NO_COMMANDS = {
    path: found[1]
    for room in ("pipeline", "vision", "tools")
    for path in sorted((REPOSITORY / room).rglob("*.py"))
    if (found := re.search(r'^    not_a_command\("(.+)"\)$', path.read_text(), re.MULTILINE))
}


def run_as_main(module: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """As ``python -m module words``; the exit status."""
    monkeypatch.setattr(sys, "argv", [module, *words])
    with pytest.raises(SystemExit) as left, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it was imported before
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    return int(left.value.code or 0)


@pytest.mark.parametrize("path", NO_COMMANDS, ids=lambda path: path.stem)
def test_a_module_named_like_a_command_names_that(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
    assert run_as_main(module, [], monkeypatch) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("is a part of the program, not a command")
    assert second == f"  fix: {NO_COMMANDS[path]} --help"


@pytest.mark.parametrize("command", sorted(set(NO_COMMANDS.values())))
def test_the_named_command_answers(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, *words = command.removeprefix("python ").removeprefix("-m ").removesuffix(".py").split()
    monkeypatch.setattr(early, "guard", lambda only_prints=False: None)
    assert run_as_main(module.removesuffix(".py"), [*words, "--help"], monkeypatch) == 0
    assert f"usage: {command}" in capsys.readouterr().out
