"""Command line of the extraction: the stage on a data root, or an archive of your own."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from pipeline.command.options import own_output
from pipeline.command.own_file import OwnFile
from pipeline.command.run_stage import stage_main
from pipeline.extract.stage import STAGE
from vision.messages.command_line import Parser


def _unpack(_: Parser, asked: Namespace) -> int:
    from pipeline.extract.own_archive import extract_file

    return extract_file(asked.archive, asked.output, asked.workers)


OWN = OwnFile(
    title="an archive of your own, instead of --root",
    epilog="The whole archive is refused for a member that could write elsewhere, never end, or mean two things. "
    "The same command resumes after a kill; when all files are there, it verifies them.",
    needs={
        "--archive": {"type": Path, "metavar": "FILE.zip", "help": "unpack all of it, or nothing"},
        "--output": {
            "type": own_output, "metavar": "DIR", "help": "the folder to make; one with other files is left alone",
        },
    },
    takes=("--workers",),
    run=_unpack,
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    return stage_main(STAGE, argv, OWN)


if __name__ == "__main__":
    sys.exit(main())
