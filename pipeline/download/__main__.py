"""Command line of the download: the stage on a data root, or one file of your own by URL and SHA-256."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    from vision.messages.early import guard

    guard()

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.command.run_stage import (
    add_common_options,
    add_stage_options,
    positive,
    refuse_others,
    stage_main,
    web_address,
)
from pipeline.download.stage import STAGE
from vision.messages.command_line import Parser

OWN = ("--url", "--sha256", "--output", "--bytes")


def main(argv: Sequence[str] | None = None) -> int:
    """The stage on a data folder (``--root``), or one file (``--url``, ``--sha256``, ``--output``)."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not any(word.split("=")[0] in (*OWN, "-h", "--help") for word in arguments):
        return stage_main(STAGE, arguments)
    asked = _parser().parse_args(arguments)
    for name in ("url", "sha256", "output"):
        if not getattr(asked, name):
            _parser().error(f"--{name} is missing: --url URL, --sha256 HEX and --output FILE go together")
    refuse_others(_parser(), arguments, (*OWN, "--connections"))
    from pipeline.download.own_file import OwnFile, download_file

    return download_file(
        OwnFile(tuple(asked.url), asked.sha256, asked.bytes, asked.output, asked.connections)
    )


def _digest(text: str) -> str:
    digest = text.lower()
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected 64 hex digits")
    return digest


def _parser() -> Parser:
    parser = Parser(
        prog=f"python -m pipeline.{STAGE.name}",
        description=f"Stage {STAGE.name}: {STAGE.summary}.",
        epilog="A file gets its name only when its SHA-256 is right; one that is there already with that digest is kept. "
        "The same command resumes an interrupted or killed download.",
    )
    group = parser.add_argument_group("a file of your own, instead of --root")
    group.add_argument(
        "--url",
        action="append",
        type=web_address,
        metavar="URL",
        help="where to fetch from; repeat it for mirrors, which are tried in order. A login belongs in ~/.netrc; one that is part of the "
        "URL is neither stored nor shown",
    )
    group.add_argument("--sha256", type=_digest, metavar="HEX", help="SHA-256 that the file must have")
    group.add_argument(
        "--bytes", type=positive, metavar="N", help="expected size, if known: a wrong file is noticed sooner"
    )
    group.add_argument("--output", type=Path, metavar="FILE", help="the file to make")
    add_common_options(parser)
    add_stage_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
