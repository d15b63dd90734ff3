"""Command line of the download: the stage on a data root, or one file of your own by URL and SHA-256."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import argparse
import sys
from collections.abc import Sequence

from pipeline.command.options import own_output, positive, web_address
from pipeline.command.own_file import OwnFile
from pipeline.command.run_stage import stage_main
from pipeline.download.stage import STAGE
from vision.messages.command_line import Parser


def _fetch(_: Parser, asked: argparse.Namespace) -> int:
    from pipeline.download.own_file import Download, download_file

    return download_file(
        Download(tuple(asked.url), asked.sha256, asked.bytes, asked.output, asked.connections)
    )


def _digest(text: str) -> str:
    digest = text.lower()
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected 64 hex digits")
    return digest


OWN = OwnFile(
    title="a file of your own, instead of --root",
    epilog="A file gets its name only when its SHA-256 is right; one that is there already with that digest is kept. "
    "The same command resumes an interrupted or killed download.",
    needs={
        "--url": {
            "action": "append", "type": web_address, "metavar": "URL",
            "help": "where to fetch from; repeat it for mirrors, which are tried in order. A login belongs in ~/.netrc; one "
            "that is part of the URL is neither stored nor shown",
        },
        "--sha256": {"type": _digest, "metavar": "HEX", "help": "SHA-256 that the file must have"},
        "--output": {"type": own_output, "metavar": "FILE", "help": "the file to make"},
    },
    more={
        "--bytes": {
            "type": positive, "metavar": "N", "help": "expected size, if known: a wrong file is noticed sooner",
        },
    },
    takes=("--connections",),
    run=_fetch,
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    return stage_main(STAGE, argv, OWN)


if __name__ == "__main__":
    sys.exit(main())
