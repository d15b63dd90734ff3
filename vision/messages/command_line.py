"""What every command shares at its door: a mistake in two lines, options in both spellings, numbers with bounds.

Standard library only, for any Python from 3.8 on: ``setup_coco.sh`` comes through here before anything is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import difflib
import io
import math
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from vision.messages.terminal import painted

NAMES_SHOWN = 12
COMMA_LIST = "comma-separated names (one that holds a comma in quotes: '\"a, b\",c')"
BELOW = " " * 6
"""In front of what does not fit into a line of an example."""


class Help(argparse.RawDescriptionHelpFormatter):
    """Prose as wide as the window; examples and tables (indented lines) keep their lines, what does not fit goes below."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[str] = []
        for line in text.splitlines():
            if lines and _goes_on(lines[-1], line):
                lines[-1] += f" {line}"
            else:
                lines.append(line)
        return "\n".join(part for line in lines for part in _fitted(line, width))


def _goes_on(line: str, after: str) -> bool:
    """Whether both are lines of one paragraph, the first one no sentence's end."""
    return not line.endswith((".", ":")) and all(each and not each.startswith(" ") for each in (line, after))


def _fitted(line: str, width: int) -> list[str]:
    """``line``; where it is too wide: wrapped, the remark behind a command below it, the command continued by a backslash."""
    if len(line) <= width or not line.startswith(" "):
        return textwrap.wrap(line, width, break_on_hyphens=False) if line[:1].strip() else [line]
    command, _, remark = line.rpartition("  ") if "  " in line.strip() else (line, "", "")
    if len(line) - len(line.lstrip()) > len(BELOW):  # a remark alone
        command, remark = "", line
    glued = re.sub(r"(--[\w-]+) (?!-)", "\\1\xa0", command.rstrip())  # an option stays with its value
    parts = textwrap.wrap(
        glued, width - 2, subsequent_indent=BELOW, break_long_words=False, break_on_hyphens=False
    )
    below = textwrap.wrap(remark.strip(), width, initial_indent=BELOW, subsequent_indent=BELOW)
    return [
        *(f"{part} \\".replace("\xa0", " ") for part in parts[:-1]),
        *(part.replace("\xa0", " ") for part in parts[-1:]),
        *below,
    ]


class Parser(argparse.ArgumentParser):
    """argparse that answers a mistake with what is wrong and the nearest name, not with all its usage.

    Options are taken with ``-`` and with ``_`` (``--num_workers``), as the ancestors wrote them; never abbreviated.
    """

    def __init__(self, **rest: Any) -> None:
        rest.setdefault("allow_abbrev", False)
        rest.setdefault("formatter_class", Help)
        super().__init__(**rest)
        self.elsewhere: dict[str, str] = {}
        """Options that only other commands take, and what is said of them."""
        self.words = ""
        """What is said of a word that is no option, where there are options alone."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(list(map(self.hyphened, words)), namespace)

    def hyphened(self, word: str) -> str:
        """``--num_workers=3`` → ``--num-workers=3`` where that is an option here; any other word as it is."""
        flag, sign, value = word.partition("=")
        known = self._option_string_actions
        spelled = flag.replace("_", "-")
        return spelled + sign + value if flag not in known and spelled in known else word

    def flag_of(self, word: str) -> str:
        """``--num_workers=3`` → ``--num-workers``."""
        return self.hyphened(word).partition("=")[0]

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.refuse_unknown(unknown[0])
        return found

    def refuse_unknown(self, word: str) -> NoReturn:
        """Leaves with 2, with the option that was probably meant."""
        if self.words and not word.startswith("-"):
            self.error(f"unknown argument {shortened(word)!r}: {self.words}")
        flag = word.partition("=")[0]
        plain = flag.replace("_", "-")
        if where := self.elsewhere.get(plain) or self.elsewhere.get(plain.replace("--no-", "--")):
            self.error(f"{flag}: {where}")
        near = did_you_mean(flag, self.all_flags())
        self.error(f"unknown argument {shortened(flag)}" + (f": {near}" if near else ""))

    def add_subparsers(self, **rest: Any) -> Any:
        rest.setdefault("parser_class", Command)
        return super().add_subparsers(**rest)

    def all_flags(self) -> list[str]:
        """Of this parser and of its sub-commands."""
        flags = list(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                flags += [flag for inner in action.choices.values() for flag in inner._option_string_actions]
        return flags

    def _get_value(self, action: argparse.Action, word: str) -> Any:
        if not word and action.nargs != argparse.PARSER:  # Path("") would be the current folder
            raise argparse.ArgumentError(action, "the value is empty: is a shell variable unset?")
        return super()._get_value(action, word)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, no_such_choice(value, action.choices))

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{painted('error:', 'red', sys.stderr)} {message}\n  all options: {self.prog} --help\n")


class Command(Parser):
    """The parser of a sub-command: argparse would leave its unknown options to the parser above, which has others."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.refuse_unknown(unknown[0])
        return found, unknown


def no_such_choice(value: object, choices: Iterable[Any]) -> str:
    """``'bst': did you mean 'best'? there is best, last``."""
    names = [str(choice) for choice in choices]
    near = did_you_mean(str(value), names)
    return f"{shortened(str(value))!r}: " + (f"{near} " if near else "") + f"there is {listed(names)}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean 'best'?``, or nothing. Another digit is another thing (mb1, mb2), not a slip of the finger."""
    near = nearest(word, [name for name in known if name != "-h"])
    return f"did you mean {near!r}?" if near else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word[:100].lower(), lower, n=1)
    return lower[near[0]] if near and _digits(word) in ("", _digits(near[0])) else None


def _digits(text: str) -> str:
    return "".join(re.findall(r"\d", text))


def listed(names: Sequence[str], most: int = NAMES_SHOWN) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def shortened(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


# ---------------------------------------------------------------- lists


def comma_list(text: str) -> list[str]:
    """``"a,b"`` → ``["a", "b"]``, blanks around names left out; a name with a comma has quotes: ``"a, b",c`` (as in CSV).

    Raises ValueError with what was expected: quotes that do not end, an empty name.
    """
    for line in (text, re.sub(r'"\s+(?=,|$)', '"', text)):  # blanks behind quotes, which csv does not take
        with contextlib.suppress(csv.Error, ValueError):
            (row,) = csv.reader([line], skipinitialspace=True, strict=True)
            break
    else:
        raise ValueError(f"{shortened(text)!r}: expected {COMMA_LIST}; its quotes do not match")
    names = [name.strip() for name in row]
    if not names or not all(names):
        raise ValueError(f"{shortened(text)!r}: expected {COMMA_LIST}; one is empty")
    return names


def comma_joined(names: Iterable[str]) -> str:
    """What ``comma_list`` reads as ``names``."""
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(names)
    return written.getvalue()


# ---------------------------------------------------------------- numbers


def read_whole(text: str) -> int:
    """``"100"`` and ``"100.0"`` → 100. Raises ValueError with what was expected."""
    try:
        return int(text)
    except ValueError:
        number = _float(text)
        if number is None or not number.is_integer():
            raise ValueError(f"expected a whole number, found {shortened(text)!r}") from None
        return int(number)


def read_number(text: str) -> float:
    """Raises ValueError with what was expected."""
    number = _float(text)
    if number is None:
        raise ValueError(f"expected a number, found {shortened(text)!r}")
    return number


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def whole_from(low: int) -> Callable[[str], int]:
    """An argparse type: whole numbers from ``low`` on that 64 bits hold, as a database or the system takes them."""

    def read(text: str) -> int:
        try:
            value = read_whole(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        if value < low:
            raise argparse.ArgumentTypeError(f"{value}: {low} or more")
        if value >= 1 << 63:
            raise argparse.ArgumentTypeError(f"{shortened(text)}: less than 2^63")
        return value

    return read


def fraction(text: str) -> float:
    """An argparse type: a number from 0 to 1, for scores."""
    percent = _float(text.rstrip("% "))
    number = _float(text)
    if number is not None and 0 <= number <= 1:
        return number
    meant = ""
    if percent is not None and math.isfinite(percent) and 1 < percent <= 100:
        meant = f"; {percent:g} % is {percent / 100:g}"
    raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, found {shortened(text)!r}{meant}")
