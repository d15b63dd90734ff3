"""A frozen dataclass as a set of options: command line, YAML recipe, JSON record. No torch.

A field is declared with :func:`option`; its type hint says what it takes (``int``, ``float``, ``bool``, ``str``,
``X | None``, ``tuple[X, ...]``), its metadata the rest. The three readers share the same checks.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import math
import os
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vision.messages import command_line
from vision.messages.advice import UserError
from vision.messages.terminal import counted

DATA, MODEL, OPTIMISATION, RUN, MACHINE = "data", "model", "optimisation", "run", "machine"
EPOCHS, STEPS, IMAGES = 10**6, 10**9, 1 << 16
"""The most of each that an option takes: beyond any use, and far from what overflows."""
RATE = 100.0
"""The highest learning rate and weight decay; a float32 still holds what they do."""
RESUME_RULES = ("session", "free", "named", "fixed")
"""What a change on resume means: ``session`` is never inherited; ``free`` changes no number of the training;
``named`` changes it and is accepted when named; ``fixed`` is another run."""


@dataclass(frozen=True)
class Option:
    """What a field's metadata says. ``low`` and ``high`` are inclusive; ``above`` is exclusive."""

    help: str
    group: str
    resume: str
    aliases: tuple[str, ...] = ()
    choices: tuple[Any, ...] | None = None
    low: float | None = None
    high: float | None = None
    above: float | None = None
    metavar: str | None = None


def option(default: Any, help: str, group: str, resume: str, **rest: Any) -> Any:
    """A dataclass field with an ``Option``."""
    if resume not in RESUME_RULES:
        raise ValueError(f"resume rule {resume!r}: there is {', '.join(RESUME_RULES)}")
    return dataclasses.field(default=default, metadata={"option": Option(help, group, resume, **rest)})


def options_of(cls: type) -> dict[str, Option]:
    """Field name → ``Option``, in order."""
    return {f.name: f.metadata["option"] for f in dataclasses.fields(cls)}


_FLAGS = {"mb2_width_mult": "--width-mult"}
"""Fields whose flag has another name: every record of a run holds the ancestor's, of when one backbone had widths."""


def flag_of(name: str) -> str:
    return _FLAGS.get(name, "--" + name.replace("_", "-"))


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _without_none(hint: Any) -> tuple[Any, bool]:
    if isinstance(hint, types.UnionType):
        inner = [part for part in hint.__args__ if part is not type(None)]
        return inner[0], True
    return hint, False


# ---------------------------------------------------------------- one value


def parse_text(text: str, hint: Any) -> Any:
    """A word of the command line as ``hint``; ``None`` where that is optional, ``100.0`` where 100 is meant.

    Raises ValueError with what was expected.
    """
    hint, optional = _without_none(hint)
    if optional and text.strip().lower() == "none":
        return None
    if hint is bool:
        return _parse_bool(text)
    if hint is int:
        return command_line.read_whole(text)
    if hint is float:
        return command_line.read_number(text)
    return text


def _parse_bool(text: str) -> bool:
    word = text.strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off"):
        return False
    raise ValueError(f"expected true or false, found {command_line.shortened(text)!r}")


def from_plain(value: Any, hint: Any) -> Any:
    """A value of YAML or JSON as ``hint``: nothing is guessed, but ``1`` is a float, ``100.0`` a whole number, a list a
    tuple and, where nothing may be given, ``None`` a word for that."""
    hint, optional = _without_none(hint)
    if optional and (value is None or (isinstance(value, str) and value.lower() == "none")):
        return None
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        items = words_of([value]) if isinstance(value, str) and inner is not str else value
        items = [items] if isinstance(items, (str, int, float)) else items
        if not isinstance(items, (list, tuple)):
            raise ValueError(f"expected a list, found {value!r}")
        words = isinstance(value, str) and inner is not str
        return tuple(parse_text(item, inner) if words else from_plain(item, inner) for item in items)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"expected a number, found one of {counted(len(str(value)), 'digit')}") from None
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if hint is float and isinstance(value, str):  # YAML 1.1 reads 1e-3 as a word
        return parse_text(value, float)
    if type(value) is not hint:
        raise ValueError(f"expected {hint.__name__}, found {value!r} ({type(value).__name__})")
    if hint is str:
        _require_name(value)
    return value


def _require_name(text: str) -> None:
    """Raises ValueError for nothing, and for what no path is: JSON and YAML can spell NUL and half a character."""
    with contextlib.suppress(UnicodeEncodeError):
        if text and b"\0" not in os.fsencode(text):
            return
    raise ValueError(f"expected text without NUL and half characters, found {command_line.shortened(text)!r}")


def check_value(name: str, value: Any, option: Option) -> None:
    """Choices and range. Raises ValueError that names the flag."""
    if value is None:
        return
    for item in value if isinstance(value, tuple) else (value,):
        if option.choices is not None and item not in option.choices:
            raise UserError(f"{flag_of(name)} {command_line.no_such_choice(item, option.choices)}")
        if isinstance(item, (int, float)) and not isinstance(item, bool):
            _check_range(name, item, option)


def _check_range(name: str, number: float, option: Option) -> None:
    shown = f"{flag_of(name)} {str(number)[:40]}"
    if isinstance(number, float) and not math.isfinite(
        number
    ):  # a whole number may be too large for isfinite
        raise UserError(f"{shown}: expected a finite number")
    if option.above is not None and not number > option.above:
        raise UserError(f"{shown}: must be above {option.above}")
    if option.low is not None and number < option.low:
        raise UserError(f"{shown}: must be at least {option.low}")
    if option.high is not None and number > option.high:
        raise UserError(f"{shown}: must be at most {option.high}")


# ---------------------------------------------------------------- a mapping (YAML, JSON)


def read_mapping(cls: type, mapping: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """``{"batch-size": 4, …}`` → ``{"batch_size": 4, …}``; keys are field names or any alias.

    Raises ValueError that names file and key, with a suggestion for an unknown one.
    """
    names = {}
    for name, option in options_of(cls).items():
        for key in (flag_of(name), *option.aliases):
            names[key.lstrip("-").replace("-", "_")] = name
    values: dict[str, Any] = {}
    for key, value in mapping.items():
        name = names.get(str(key).replace("-", "_"), "")
        if not name:
            near = command_line.did_you_mean(str(key).replace("-", "_"), names)
            raise UserError(f"{where}: unknown key {key!r}" + (f"; {near}" if near else ""))
        if name in values:
            raise UserError(f"{where}: {key!r} is given twice")
        try:
            values[name] = from_plain(value, _hints(cls)[name])
        except ValueError as error:
            raise UserError(f"{where}: {key}: {error}") from None
    return values


def to_mapping(config: Any) -> dict[str, Any]:
    """Field name → plain JSON value, in order."""
    values = dataclasses.asdict(config)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


# ---------------------------------------------------------------- the command line


class Parser(command_line.Parser):
    """The fields of a dataclass as options."""

    def __init__(self, cls: type, **rest: Any) -> None:
        super().__init__(**rest)
        groups: dict[str, Any] = {}
        defaults = {f.name: f.default for f in dataclasses.fields(cls)}
        for name, option in options_of(cls).items():
            group = groups.get(option.group) or groups.setdefault(
                option.group, self.add_argument_group(option.group)
            )
            _add_argument(group, name, option, _hints(cls)[name], defaults[name])

    def parse_named(self, argv: Sequence[str]) -> dict[str, Any]:
        """Only what was named: field name → value. Leaves with 2 on a mistake."""
        return {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in vars(self.parse_args(argv)).items()
        }


def _add_argument(group: Any, name: str, option: Option, full_hint: Any, default: Any) -> None:
    hint, _ = _without_none(full_hint)
    flags = [flag_of(name), *option.aliases]
    text = option.help.replace("%", "%%") + _default_text(default)
    common = {"dest": name, "default": argparse.SUPPRESS, "help": text}
    if hint is bool:
        group.add_argument(*flags, nargs="?", const=True, type=_word(bool), metavar="true|false", **common)
        group.add_argument(
            "--no-" + flags[0][2:], dest=name, action="store_false",
            default=argparse.SUPPRESS, help=argparse.SUPPRESS,
        )  # fmt: skip
        return
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        group.add_argument(
            *flags, nargs="+", action=_Words, inner=inner, metavar=option.metavar or "X", **common
        )
        return
    metavar = option.metavar or (
        "|".join(map(str, option.choices)) if option.choices else hint.__name__.upper()
    )
    group.add_argument(*flags, type=_word(full_hint), metavar=metavar, **common)


class _Words(argparse.Action):
    """``--milestones "80,100"`` and ``--milestones 80 100`` alike; paths are not split at commas."""

    def __init__(self, *args: Any, inner: type, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.inner = inner

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        words = values if self.inner is str else words_of(values)
        try:
            if not words:
                raise ValueError(f"expected numbers, found {' '.join(values)!r}")
            setattr(namespace, self.dest, tuple(parse_text(word, self.inner) for word in words))
        except ValueError as error:
            raise argparse.ArgumentError(self, str(error)) from None


def words_of(values: Sequence[str]) -> list[str]:
    """The numbers in ``80 100``, ``"80,100"``, ``"[80, 100]"``, ``"(80, 100)"``, each still as text."""
    text = " ".join(values).strip()
    if (text[:1], text[-1:]) in (("[", "]"), ("(", ")")):
        text = text[1:-1]
    return text.replace(",", " ").split()


def _default_text(default: Any) -> str:
    if default is None:
        return ""
    if isinstance(default, bool):
        return f" [{'on' if default else 'off'}]"
    return f" [{' '.join(map(str, default)) if isinstance(default, tuple) else default}]"


def _word(hint: Any) -> Any:
    def read(text: str) -> Any:
        try:
            return parse_text(text, hint)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read
