"""A mistake on any command line is answered in two lines that name it; options are taken in both spellings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.parsers import programs
from vision.messages.command_line import (
    Parser,
    comma_joined,
    comma_list,
    did_you_mean,
    fraction,
    listed,
    no_such_choice,
    whole_from,
)


def parser() -> Parser:
    made = Parser(prog="x")
    made.add_argument("--num-workers", type=whole_from(0))
    made.add_argument("--which", choices=("best", "last"))
    made.add_argument("--score", type=fraction)
    made.add_argument("folder", nargs="?")
    return made


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as left:
        parser().parse_args(words)
    assert left.value.code == 2
    said = capsys.readouterr().err
    first, second = said.splitlines()
    assert first.startswith("error: ") and second == "  all options: x --help"
    return first


def test_an_unknown_option_points_to_the_help_of_its_own_command(capsys: pytest.CaptureFixture[str]) -> None:
    made = Parser(prog="x")
    commands = made.add_subparsers(dest="command")
    commands.add_parser("run").add_argument("--only")
    commands.add_parser("clean").add_argument("--all", action="store_true")
    with pytest.raises(SystemExit) as left:
        made.parse_args(["run", "--onyl", "a"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said == "error: unknown argument --onyl: did you mean '--only'?\n  all options: x run --help\n"
    assert made.parse_args(["run", "--only=a"]).only == "a"


@pytest.mark.parametrize("words", [["--num-workers="], ["--num-workers", ""], ["--which="], [""]])
def test_an_empty_word_is_no_value(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It is what a shell makes of a variable that is not set, and would be the current folder."""
    assert "the value is empty: is a shell variable unset?" in refused(words, capsys)


@pytest.mark.parametrize("flag", ["--num-workers", "--num_workers"])
def test_both_spellings(flag: str) -> None:
    assert parser().parse_args([flag, "3"]).num_workers == parser().parse_args([f"{flag}=3"]).num_workers == 3
    assert parser().parse_args([f"{flag}=3.0", "a_b"]).folder == "a_b"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--num-workrs", "3"], "unknown argument --num-workrs: did you mean '--num-workers'?"),
        (["--num", "3"], "unknown argument --num"),
        (["--which", "bst"], "'bst': did you mean 'best'? there is best, last"),
        (["--num-workers", "-1"], "-1: 0 or more"),
        (["--num-workers", "many"], "expected a whole number, found 'many'"),
        (["--score", "5"], "expected a number from 0 to 1, found '5'; 5 % is 0.05"),
        (["--score", "50%"], "50 % is 0.5"),
        (["--score", "nan"], "expected a number from 0 to 1, found 'nan'"),
        (["--score=-0.1"], "expected a number from 0 to 1, found '-0.1'"),
        (["--score", "x" * 500], "xxx…"),
        (["a", "b"], "unknown argument b"),
    ],
)
def test_a_mistake_is_two_lines(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(words, capsys)
    assert said in message and len(message) < 200


@pytest.mark.parametrize("program", programs())
def test_every_command_answers_a_mistake_in_two_lines(program: str, repository: Path) -> None:
    mistake = ["clean", "--stging"] if program == "pipeline" else ["--outptu"]
    done = subprocess.run(
        [sys.executable, "-m", program, *mistake], cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 2, done.stderr
    assert " --help\n" in done.stderr


def test_another_digit_is_another_thing() -> None:
    assert did_you_mean("mb1-ssd-lite", ["mb2-ssd-lite"]) == ""
    assert did_you_mean("mb2-ssd", ["mb2-ssd-lite"]) == did_you_mean("mb-ssd-lite", ["mb2-ssd-lite"]) != ""


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a", ["a"]), (" a , b\t", ["a", "b"]), ('"a, b",c', ["a, b", "c"]), ('c, "a,b"', ["c", "a,b"]),
        ('"say ""a"""', ['say "a"']), ('5" nail,b', ['5" nail', "b"]), ("ä,'b'", ["ä", "'b'"]),
        ('"a, b" ,c', ["a, b", "c"]), ('c, "a,b"\t', ["c", "a,b"]), ('"say ""a"" , ok",b', ['say "a" , ok', "b"]),
    ],
)  # fmt: skip
def test_names_with_commas_between_them(text: str, names: list[str]) -> None:
    assert comma_list(text) == names == comma_list(comma_joined(names))


@pytest.mark.parametrize(
    "text", ["", " ", ",", "a,", "a,,b", '"a', '"a"b', 'a,"', '"",b', "a\nb", '"a\n', "a" * 200_000]
)
def test_a_list_of_names_that_says_nothing_certain_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected comma-separated names") as refused:
        comma_list(text)
    assert len(str(refused.value)) < 200


def test_long_lists_and_words_are_bounded() -> None:
    assert listed([str(n) for n in range(100)], 3) == "0, 1, 2 and 97 more"
    assert len(no_such_choice("y" * 10_000, map(str, range(10_000)))) < 200


TEXT = """\
One sentence that two
lines have. And another one.
examples:
  python x.py --short 1            a remark
  python x.py --first aaaaaaaaaaaaaaaaaaaa --second bbbbbbbbbbbbbbbbbbbbb --third ccccc   what it does and more
                                                 a remark alone that is too wide for it
  name      1.0 GB     2.0 GB
"""
FITTED = """\
One sentence that two lines have. And another one.
examples:
  python x.py --short 1            a remark
  python x.py --first aaaaaaaaaaaaaaaaaaaa \\
      --second bbbbbbbbbbbbbbbbbbbbb --third ccccc
      what it does and more
      a remark alone that is too wide for it
  name      1.0 GB     2.0 GB"""


def test_help_is_as_wide_as_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is broken stays one command for a shell, and no option leaves its value."""
    monkeypatch.setenv("COLUMNS", "58")
    said = Parser(prog="x", description="What it does.", epilog=TEXT).format_help()
    assert said.endswith(f"\n\n{FITTED}\n")
