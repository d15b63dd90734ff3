"""Command line of the image check: the stage on a data root, or a folder of your own."""

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

from pipeline.command.own_file import OwnFile
from pipeline.command.run_stage import stage_main
from pipeline.image_check.settings import PLAIN, How
from pipeline.validate_images.stage import STAGE
from vision.messages.command_line import Parser


def _check(parser: Parser, asked: Namespace) -> int:
    if asked.report.is_dir():
        parser.error(f"--report {asked.report} is a folder; name the file to make")
    from pipeline.validate_images.own_folder import check_folder

    by = How(bool(asked.thorough), asked.exif or PLAIN.exif)
    return check_folder(asked.images, asked.report, asked.workers, by)


OWN = OwnFile(
    title="a folder of your own, instead of --root",
    epilog="Verdicts: ok (plain 8-bit RGB), convert (readable; becomes 8-bit RGB when read), reject. Bad images are a "
    "result, not a failure: the exit code is 0 when the report is written. Nothing is changed or moved.",
    needs={
        "--images": {
            "type": Path, "metavar": "DIR",
            "help": "check every file below DIR; links to files are followed, links to folders are not",
        },
        "--report": {
            "type": Path, "metavar": "FILE.jsonl",
            "help": 'a line for each: {"file", "verdict", "reason"}; - prints them, /dev/null keeps none',
        },
    },
    takes=("--workers", "--thorough", "--exif"),
    run=_check,
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    return stage_main(STAGE, argv, OWN)


if __name__ == "__main__":
    sys.exit(main())
