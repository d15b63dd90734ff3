"""Every command that the README and docs/ show is one that the programs accept."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.M | re.S)
SHELL = ("sh", "bash", "shell", "console")
OURS = ("./", "python ", "python3 ", ".venv/bin/python ", "PYTHON=", "COCO_MINI=", "$ ")
FOREIGN = set(
    [
        "git",
        "cd",
        "tensorboard",
        "pip",
        "uv",
        "apt",
        "sudo",
        "docker",
        "nvidia-smi",
        "detectnet",
        "mkdir",
        "cp",
        "scp",
        "curl",
        "unzip",
    ]
)
PROGRAMS = ("pipeline", "tools", "benchmarks", "tests")


@dataclass(frozen=True)
class Command:
    """One simple command as it stands in a document."""

    where: str
    words: tuple[str, ...]


def commands_in(document: Path, name: str) -> Iterator[Command]:
    """Of blocks marked as shell every line, of others those that look like a command of ours."""
    text = document.read_text(encoding="utf-8")
    for block in FENCE.finditer(text):
        first = text[: block.start(2)].count("\n") + 1
        shell = block[1] in SHELL
        lines = block[2].replace("\\\n", "  ").splitlines()
        prompts = any(line.startswith("$ ") for line in lines)
        for number, line in enumerate(lines):
            if line.startswith(OURS) or (shell and not prompts and line.strip()):
                yield from split(line.removeprefix("$ "), f"{name}:{first + number}")


def split(line: str, where: str) -> Iterator[Command]:
    """One line → its commands: comments, assignments and redirections are taken off."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
    lexer.commenters = "#"
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word and set(word) <= set("&|;"):
            if words:
                yield Command(where, tuple(words))
            words = []
        elif words or not re.match(r"\w+=", word):
            words.append(word)


def redirected(words: tuple[str, ...]) -> list[str]:
    cut = next((place for place, word in enumerate(words) if set(word) <= set("<>")), len(words))
    return list(words[:cut])


def as_program(command: Command) -> tuple[str, list[str]] | None:
    """(module, argv) of a command that starts one of our Python programs."""
    words = redirected(command.words)
    if Path(words[0]).name in ("setup_coco.sh", "setup_coco"):
        return "tools.setup", words[1:]
    if not re.fullmatch(r"(.*/)?python3?(\.\d+)?", words[0]) or len(words) < 2:
        return None
    if words[1] == "-m" and len(words) > 2 and words[2].partition(".")[0] in PROGRAMS:
        return words[2], words[3:]
    return (words[1].removesuffix(".py").replace("/", "."), words[2:]) if words[1].endswith(".py") else None


@pytest.fixture(scope="module")
def commands(repository: Path) -> list[Command]:
    documents = [repository / "README.md", *sorted((repository / "docs").glob("*.md"))]
    assert documents[0].is_file(), "there is no README.md"
    return [
        found for file in documents for found in commands_in(file, file.relative_to(repository).as_posix())
    ]


def test_every_command_is_accepted(commands: list[Command], repository: Path) -> None:
    calls = [(command, call) for command in commands if (call := as_program(command))]
    assert len(calls) >= 8, "the README shows fewer commands than there are steps on its path"
    done = subprocess.run(
        [sys.executable, "-m", "tests.house.parsers", "--probe"],
        input=json.dumps([call for _, call in calls]),
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = zip(calls, json.loads(done.stdout), strict=True)
    wrong = [
        f"{command.where}: {shlex.join(command.words)}\n  {a['error']}"
        for (command, _), a in answers
        if a["error"]
    ]
    assert not wrong, "\n".join(wrong)


def test_training_commands_hold_together(
    commands: list[Command], repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond single flags: their values and combinations, by the checks that the trainer makes."""
    config = pytest.importorskip("vision.engine.options.config")
    monkeypatch.chdir(repository)
    for command in commands:
        call = as_program(command)
        if call and call[0] == "train_ssd" and not {"--help", "-h", "--print-config"} & set(call[1]):
            try:
                config.parse(call[1])
            except SystemExit:
                pytest.fail(f"{command.where}: {shlex.join(command.words)} is refused")


def test_every_other_command_is_known(commands: list[Command], repository: Path) -> None:
    unknown = []
    for command in commands:
        first = command.words[0]
        ours = as_program(command) or first.startswith(("./", ".venv/bin/", "python"))
        missing = first.startswith("./") and not (repository / first).exists()
        if missing or not (ours or first in FOREIGN):
            unknown.append(f"{command.where}: {shlex.join(command.words)}")
    assert not unknown, "\n".join(unknown)


def test_a_wrong_flag_in_a_document_is_found(tmp_path: Path, repository: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "text\n```sh\nA=1 ./setup_coco.sh --nonsense  # comment\ngit status && ./run_tests.sh\n```\n"
    )
    found = list(commands_in(page, "page.md"))
    assert [command.words for command in found] == [
        ("./setup_coco.sh", "--nonsense"),
        ("git", "status"),
        ("./run_tests.sh",),
    ]
    assert found[0].where == "page.md:3"
    with pytest.raises(AssertionError, match=r"(?s)page.md:3.*--nonsense"):
        test_every_command_is_accepted(found * 8, repository)
