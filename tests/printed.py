"""Runs a command that was printed, as a shell would read it and in the situation in which it was printed.

    said = capsys.readouterr().err
    printed(said, "pipeline/runner/own_data.py:require_splits")

The site (``file:function``, see ``tests/house/printed_sites.py``) has to be the one that spelled it: its words are
recorded while the test runs. The house fails for a site whose command no test runs so.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.house.printed_sites import REPOSITORY, Site, product_sites, sites_of
from vision.messages import advice

ODD = "a b$(touch X)"
"""What every path in a printed command has in it: a shell that is not told otherwise runs a command there."""
PROGRAM = re.compile(
    r"(?<![\w/.-])(?:python3? (?:-m [\w.]+|train_ssd\.py)|\./setup_coco\.sh|mv|rm|detectnet)(?![\w.-])"
)
WORD = re.compile(r"(?:[^\s'\"\\]|\\.|'[^']*'|\"[^\"]*\")+")
ENDS = (",", ";", ".", ")", "`")
PLACEHOLDER = re.compile(r"[A-Z]{2,}…?")
Recorded = tuple[str, int, str]
"""File, line and result of one call of the function that quotes."""


class Printed:
    """Knows what was quoted since the test began, and runs it."""

    def __init__(self, recorded: list[Recorded]) -> None:
        self.recorded = recorded

    def __call__(
        self, said: str, site: str, *more: object, fill: dict[str, object] | None = None, status: int = 0
    ) -> str:
        """Runs what ``site`` has printed in ``said``, with the options ``more``; gives the command line.

        ``fill`` puts something in the place of a word in capitals, which the text has to explain.
        """
        line = self.line(said, site)
        for words in commands(line, fill or {}):
            assert run(words, more if words[0] not in ("mv", "rm") else ()) == status, line
        assert not Path("X").exists() and not (REPOSITORY / "X").exists(), line
        return line

    def line(self, said: str, site: str) -> str:
        """The command line in ``said`` that ``site`` has spelled."""
        known = _product()[site]
        if not known.quotes:
            programs = [program for program in PROGRAM.finditer(said) if program[0] in known.text]
            assert programs, f"{site} is not in: {said}"
            return _with_options(said, programs[-1])
        texts = [text for file, line, text in self.recorded if _site_at(Path(file), line) == site]
        there = [text for text in texts if text in said]
        assert there, f"{site} has spelled {texts or 'nothing'}, which is not in: {said}"
        places = [match.start() for match in re.finditer(re.escape(there[-1]), said)]
        lines = [line for place in places if (line := _command_at(said, place))]
        lines = [line for line in lines if PROGRAM.match(line)[0] in known.text] or lines  # type: ignore[index]
        assert lines, f"{site} has spelled {there[-1]}, which stands in no command of: {said}"
        found = there[-1] if there[-1] in lines else lines[-1]  # it may be the beginning of another one, too
        assert ODD in found or not re.search(r"[/']", there[-1]), f"no odd path: {found}"
        return found


def commands(line: str, fill: dict[str, object]) -> Iterator[list[str]]:
    """The words of each command, as bash takes them apart."""
    for each in line.split(" && "):
        made = subprocess.run(
            ["bash", "-c", f"printf '%s\\0' {each}"], capture_output=True, text=True, check=True
        )
        words = [str(fill.get(word, word)) for word in made.stdout.split("\0")[:-1]]
        assert not [word for word in words if PLACEHOLDER.fullmatch(word)], f"what is to be put there? {line}"
        yield words


def run(words: list[str], more: tuple[object, ...]) -> int:
    """One of our programs in this process; mv and rm as they are."""
    if words[0] in ("mv", "rm"):
        return subprocess.run(words, check=False).returncode
    if words[0] == "./setup_coco.sh":  # it would fetch 20 GB: that it is accepted has to do
        importlib.import_module("tools.setup").parse(words[1:])
        return 0
    assert words[0] in ("python", "python3"), f"run it in another way: {words}"
    module = words[2] if words[1] == "-m" else words[1].removesuffix(".py")
    try:
        return _with_the_threads(
            lambda: main_of(module)([*words[3 if words[1] == "-m" else 2 :], *map(str, more)])
        )
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1


def _with_the_threads(main: Callable[[], int | None]) -> int:
    """What training sets for the whole process is put back."""
    torch: Any = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    try:
        return main() or 0
    finally:
        if torch:
            torch.set_num_threads(threads)


def _command_at(said: str, place: int) -> str:
    """The command line around ``place``, from its program to the end of the clause; "" where there is none."""
    first = said.rfind("\n", 0, place) + 1
    line = said[first:].split("\n", 1)[0]
    for start in PROGRAM.finditer(line):
        end = _end(line, start.start())
        if start.start() <= place - first < end:
            return line[start.start() : end]
    return ""


def _with_options(said: str, program: re.Match[str]) -> str:
    """A command that holds no word of others: the words behind it are options as long as they look so."""
    return said[program.start() : re.compile(r"(?: -[\w-]+)*").match(said, program.end()).end()]  # type: ignore[union-attr]


def _end(line: str, start: int) -> int:
    end = start
    for word in WORD.finditer(line, start):
        if word[0].startswith("(") or word[0] == "or":
            break
        end = word.end()
        if word[0].endswith(ENDS):
            return len(line[:end].rstrip("".join(ENDS)))
    return end


@cache
def _product() -> dict[str, Site]:
    return {site.name: site for site in product_sites()}


@cache
def _sites(file: Path) -> list[Site]:
    return sites_of(file)


def _site_at(file: Path, line: int) -> str | None:
    return next((site.name for site in _sites(file) if site.first <= line <= site.last), None)


@pytest.fixture
def printed() -> Printed:
    """Records what is quoted from here on, and runs it: ``printed(said, "file:function")``."""
    RECORDED.clear()
    for real, seen in SEEN:
        rooms = [module for key, module in list(sys.modules.items()) if key.split(".")[0] in ROOMS and module]
        for module in rooms:  # for good: what is imported during a test keeps what it finds then
            for alias in [key for key, value in vars(module).items() if value is real]:
                setattr(module, alias, seen)
    return Printed(RECORDED)


def _recording(real: Callable[..., str]) -> Callable[..., str]:
    def seen(*words: Any) -> str:
        text = real(*words)
        frame = sys._getframe(1)
        RECORDED.append((frame.f_code.co_filename, frame.f_lineno, text))
        return text

    return seen


ROOMS = ("pipeline", "vision", "tools", "train_ssd")
RECORDED: list[Recorded] = []
SEEN = [(each, _recording(each)) for each in (advice.command, advice.quoted)]


def main_of(module: str) -> Callable[[list[str]], int]:
    """``main`` of what ``python -m module`` runs: a module, or ``__main__`` of a room."""
    is_room = (REPOSITORY / module.replace(".", "/")).is_dir()
    main: Callable[[list[str]], int] = importlib.import_module(
        f"{module}.__main__" if is_room else module
    ).main
    return main
