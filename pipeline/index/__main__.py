"""Command line of the index: the stage that makes it, and ``query`` that asks it."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import sys
from collections.abc import Sequence

from pipeline.command.run_stage import stage_main
from pipeline.index import query
from pipeline.index.stage import STAGE


def main(argv: Sequence[str] | None = None) -> int:
    """``query …`` asks the index; anything else makes it."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["query"]:
        return query.main(arguments[1:])
    return stage_main(STAGE, arguments)


if __name__ == "__main__":
    sys.exit(main())
