"""Command line of the extraction: the stage on a data root, or an archive of your own."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    from vision.messages.early import guard

    guard()

import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.command.run_stage import add_common_options, add_stage_options, refuse_others, stage_main
from pipeline.extract.stage import STAGE
from vision.messages.command_line import Parser


def main(argv: Sequence[str] | None = None) -> int:
    """The stage on a data folder (``--root``), or one archive into a folder (``--archive``, ``--output``)."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not any(word.split("=")[0] in ("--archive", "--output", "-h", "--help") for word in arguments):
        return stage_main(STAGE, arguments)
    asked = _parser().parse_args(arguments)
    refuse_others(_parser(), arguments, ("--archive", "--output", "--workers"))
    for name in ("archive", "output"):
        if getattr(asked, name) is None:
            _parser().error(f"--{name} is missing: --archive FILE.zip and --output DIR go together")
    from pipeline.extract.own_archive import extract_file

    return extract_file(asked.archive, asked.output, asked.workers)


def _parser() -> Parser:
    parser = Parser(
        prog=f"python -m pipeline.{STAGE.name}",
        description=f"Stage {STAGE.name}: {STAGE.summary}.",
        epilog="The whole archive is refused for a member that could write elsewhere, never end, or mean two things. "
        "The same command resumes after a kill; when all files are there, it verifies them.",
    )
    group = parser.add_argument_group("an archive of your own, instead of --root")
    group.add_argument("--archive", type=Path, metavar="FILE.zip", help="unpack all of it, or nothing")
    group.add_argument(
        "--output", type=Path, metavar="DIR", help="the folder to make; one with other files is left alone"
    )
    add_common_options(parser)
    add_stage_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
