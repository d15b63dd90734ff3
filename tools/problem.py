"""What a user can fix, as one message and exit code 1, for all tools; usage mistakes are argparse's, exit code 2."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vision.messages.advice import UserError
from vision.messages.command_line import Parser
from vision.messages.system_errors import NO_THREAD, said_of, said_of_no_thread
from vision.messages.terminal import painted

LARGEST_PX = 4096


def add_model(parser: Parser) -> None:
    """The options of a tool that opens a run: which of its checkpoints."""
    parser.add_argument("model", type=Path, metavar="RUN_OR_CHECKPOINT", help="a run folder, or a .pth file")
    parser.add_argument(
        "--which", choices=("best", "last"), default="best",
        help="which checkpoint of a run folder (%(default)s)",
    )  # fmt: skip


class _Size(argparse.Action):
    """One side in px, or width and height."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        if len(values) > 2 or not all(32 <= side <= LARGEST_PX for side in values):
            parser.error(f"{option} takes one or two numbers from 32 to {LARGEST_PX}")
        setattr(namespace, self.dest, values)


def add_resolution(parser: Parser, unless_told: str) -> None:
    """``--resolution``, a list; [] where it is not given, which means what ``unless_told`` says."""
    parser.add_argument(
        "--resolution", type=int, nargs="+", action=_Size, default=[], metavar="PX",
        help=f"input size in px: one number, or width and height ({unless_told})",
    )  # fmt: skip


def tool(parser: Callable[[], Parser], work: Callable[[argparse.Namespace], int]) -> Callable[..., int]:
    """The ``main`` of a tool: ``argv`` (None: the command line) → what ``work`` does with it, its errors said."""

    def main(argv: Sequence[str] | None = None) -> int:
        arguments = parser().parse_args(argv)
        return run_tool(lambda: work(arguments))

    return main


def say_error(what: str) -> None:
    print(f"{painted('error:', 'red', sys.stderr)} {what}", file=sys.stderr)


def run_tool(work: Callable[[], int]) -> int:
    """Calls ``work``; errors that name a file, a folder or an option become lines for people, without a traceback."""
    try:
        return work()
    except OSError as error:
        say_error(said_of(error))
        return 1
    except UserError as error:
        say_error(str(error))
        return 1
    except RuntimeError as error:
        if NO_THREAD not in str(error):
            raise
        say_error(said_of_no_thread())
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing half-done was published", file=sys.stderr)
        return 130
