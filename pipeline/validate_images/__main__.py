"""Command line of the image check: the stage on a data root, or a folder of your own."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    from vision.messages.early import guard

    guard()

import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.command.run_stage import add_common_options, add_stage_options, refuse_others, stage_main
from pipeline.image_check.settings import NAME, How
from pipeline.validate_images.stage import STAGE
from vision.images.formats import EXIF_CHOICES
from vision.messages.command_line import Parser


def main(argv: Sequence[str] | None = None) -> int:
    """The stage on a data folder (``--root``), or the check of any folder (``--images``, ``--report``)."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not any(word.split("=")[0] in ("--images", "--report", "-h", "--help") for word in arguments):
        return stage_main(STAGE, arguments)
    asked = _parser().parse_args(arguments)
    for name in ("images", "report"):
        if getattr(asked, name) is None:
            _parser().error(f"--{name} is missing: --images DIR and --report FILE.jsonl go together")
    if asked.report.is_dir():
        _parser().error(f"--report {asked.report} is a folder; it takes the name of the file to make")
    refuse_others(
        _parser(), arguments, ("--images", "--report", "--workers", "--thorough", "--no-thorough", "--exif")
    )
    from pipeline.validate_images.own_folder import check_folder

    by = How(bool(asked.thorough), asked.exif or EXIF_CHOICES[0])
    return check_folder(asked.images, asked.report, asked.workers, by)


def _parser() -> Parser:
    parser = Parser(
        prog=f"python -m pipeline.{NAME}",
        description=f"Stage {NAME}: {STAGE.summary}.",
        epilog="Verdicts: ok (plain 8-bit RGB), convert (readable; becomes 8-bit RGB when read), reject. Bad images "
        "are a result, not a failure: the exit code is 0 when the report is written. Nothing is changed or moved.",
    )
    group = parser.add_argument_group("a folder of your own, instead of --root")
    group.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="check every file below DIR; links to files are followed, links to folders are not",
    )
    group.add_argument(
        "--report",
        type=Path,
        metavar="FILE.jsonl",
        help='a line for each: {"file", "verdict", "reason"}; - prints them, /dev/null keeps none',
    )
    add_common_options(parser)
    add_stage_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
