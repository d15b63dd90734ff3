"""Stage: decodes every image strictly and says which can be used, which need converting, which are refused.

Reads the images and the annotated sizes, changes neither, and writes ``report/images.jsonl`` (a line for each
image), ``rejects.jsonl`` (the refused ones) and, where there are any, ``report/bad_images.png`` (what they look like) and
``report/in_two_splits.jsonl`` (images of one split that another one has).

A folder of your own: ``python -m pipeline.validate_images --images DIR --report FILE.jsonl``.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    from vision.messages.early import guard

    guard()

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.annotations.reader import original_path
from pipeline.command.run_stage import add_common_options, add_stage_options, refuse_others, stage_main
from pipeline.data_root.rejects import REJECTS
from pipeline.image_check.settings import NAME, SHEET, How, check_settings, how, image_folder, readable_again
from pipeline.image_check.verdicts import IMAGE_REPORT
from pipeline.stage import Counts, Settings, Stage, StageContext
from pipeline.validate_images.image_splits import TWICE
from pipeline.validate_images.remake_rejects import mended
from vision.images.formats import EXIF_CHOICES
from vision.messages.command_line import Parser


def _run(context: StageContext) -> Counts:
    counts = mended(context, STAGE.version, _params(context.settings))
    if counts is not None:
        return counts
    from pipeline.validate_images.table import make_table  # the decoders: --help does not wait for them

    return make_table(context)


def _inputs(settings: Settings) -> list[str]:
    return [path for split in settings.splits for path in (image_folder(split), original_path(split))]


def _outputs(settings: Settings) -> list[str]:
    return [IMAGE_REPORT, REJECTS, *_sometimes(settings)]


def _sometimes(settings: Settings) -> list[str]:
    return [SHEET, TWICE]


def _params(settings: Settings) -> dict[str, Any]:
    return check_settings(how(settings))


STAGE = Stage(
    name=NAME,
    summary="decodes every image strictly; lists what can be used and what not, and why",
    version=1,
    after=("extract",),
    inputs=_inputs,
    outputs=_outputs,
    params=_params,
    run=_run,
    doubt=readable_again,
    sometimes=_sometimes,
)


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
