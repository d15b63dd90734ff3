"""What a user can fix, as one message and exit code 1, for all tools; usage mistakes are argparse's, exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from vision.messages.advice import UserError
from vision.messages.command_line import Parser
from vision.messages.system_errors import NO_THREAD, said_of, said_of_no_thread
from vision.messages.terminal import painted


def add_model(parser: Parser) -> None:
    """The options of a tool that opens a run: which of its checkpoints."""
    parser.add_argument("model", type=Path, metavar="RUN_OR_CHECKPOINT", help="a run folder, or a .pth file")
    parser.add_argument(
        "--which", choices=("best", "last"), default="best",
        help="which checkpoint of a run folder (%(default)s)",
    )  # fmt: skip


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
