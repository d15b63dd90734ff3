"""Reads command lines the way the programs do: runs each up to the moment its arguments are parsed, and no further.

    python -m tests.house.parsers > tests/house/options.txt     after options were added or removed on purpose

With ``--probe`` it reads ``[[module, argv], …]`` as JSON from stdin and prints what became of each as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import json
import runpy
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


class Parsed(BaseException):
    """The arguments were read; nothing behind that moment is run."""


@functools.cache
def programs() -> list[str]:
    """Every module that people start: train_ssd, pipeline and its stages, tools."""
    files = [
        *(REPOSITORY / "pipeline").rglob("*.py"),
        *(REPOSITORY / "tools").rglob("*.py"),
        REPOSITORY / "train_ssd.py",
    ]
    names = [
        ".".join(file.relative_to(REPOSITORY).with_suffix("").parts)
        for file in files
        if starts_something(file)
    ]
    return sorted(name.removesuffix(".__main__") for name in names)


def starts_something(file: Path) -> bool:
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return '__name__ == "__main__"' in text and "    not_a_command(" not in text


def probe(module: str, argv: list[str]) -> dict[str, Any]:
    """What the program makes of ``argv``: ``error`` (None when it is accepted), ``options`` of its parser."""
    seen: list[argparse.ArgumentParser] = []
    depth = 0
    original = argparse.ArgumentParser.parse_known_args

    def parse_known_args(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> Any:
        nonlocal depth
        seen.append(self)
        depth += 1
        try:
            result = original(self, args, namespace)
        finally:
            depth -= 1
        if depth:
            return result
        if result[1]:
            self.error(f"unrecognized arguments: {' '.join(result[1])}")
        raise Parsed

    said = io.StringIO()
    error: str | None = f"{module} ended before it read any argument"
    argparse.ArgumentParser.parse_known_args = parse_known_args  # type: ignore[method-assign,assignment]
    before = sys.argv
    sys.argv = [module, *argv]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            runpy.run_module(module, run_name="__main__")
    except Parsed:
        error = None
    except SystemExit as end:
        error = (
            None if end.code in (0, None) and seen else said.getvalue().strip() or f"exit status {end.code}"
        )
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"
    finally:
        argparse.ArgumentParser.parse_known_args = original  # type: ignore[method-assign]
        sys.argv = before
    return {"module": module, "argv": argv, "error": error, "options": options_of(seen[0]) if seen else []}


def options_of(parser: argparse.ArgumentParser, prefix: str = "") -> list[str]:
    """``--flag``, ``<positional>`` and, of sub-commands, ``run --flag``; hidden ones too."""
    lines = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                lines += [f"{prefix}{name}", *options_of(inner, f"{prefix}{name} ")]
        elif action.option_strings:
            lines += [prefix + flag for flag in action.option_strings]
        else:
            lines.append(f"{prefix}<{action.dest}>")
    return sorted(lines)


def frozen_lines() -> list[str]:
    """``program option``, one a line, for every program."""
    lines = []
    for module in programs():
        found = probe(module, ["--help"])
        if not found["options"]:
            raise SystemExit(f"{module}: {found['error']}")
        lines += [f"{module} {option}" for option in found["options"]]
    return lines


def main() -> None:
    sys.path.insert(0, str(REPOSITORY))
    if sys.argv[1:] == ["--probe"]:
        print(json.dumps([probe(module, argv) for module, argv in json.load(sys.stdin)]))
    else:
        print("\n".join(frozen_lines()))


if __name__ == "__main__":
    main()
