"""Command line of the remap: the stage on a data root, or an annotation file of your own."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    from vision.messages.early import guard

    guard()

import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.command.run_stage import add_common_options, add_stage_options, refuse_others, stage_main
from pipeline.remap_categories.own_file import FileRemap, remap_file
from pipeline.remap_categories.stage import STAGE, class_names
from vision.images.formats import EXIF_CHOICES
from vision.messages.command_line import Parser


def main(argv: Sequence[str] | None = None) -> int:
    """The stage on a data folder (``--root``), or the remap of one file (``--annotations``)."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    own = ("--annotations", "--images", "--output", "--category-map", "-h", "--help")
    if not any(word.split("=")[0] in own for word in arguments):
        return stage_main(STAGE, arguments)
    asked = _parser().parse_args(arguments)
    for name in ("annotations", "images", "output"):
        if getattr(asked, name) is None:
            _parser().error(
                f"--{name} is missing: --annotations FILE.json, --images DIR and --output FILE.json go together"
            )
    refuse_others(_parser(), arguments, (*own, "--classes", "--workers", "--accept-missing", "--exif"))
    one = FileRemap(
        asked.annotations,
        asked.images,
        asked.output,
        class_names(asked.classes),
        asked.category_map,
        asked.workers,
        asked.accept_missing,
        asked.exif or EXIF_CHOICES[0],
    )
    problem = one.problem()
    if problem:
        _parser().error(problem)
    return remap_file(one)


def _parser() -> Parser:
    parser = Parser(
        prog=f"python -m pipeline.{STAGE.name}",
        description=f"Stage {STAGE.name}: {STAGE.summary}.",
        epilog="What cannot be used is a result, not a failure: it is listed by id with its reason, and the exit code "
        "is 0. A file that cannot be read is refused with its line and key: exit code 1, and nothing is written.",
    )
    group = parser.add_argument_group("one file of your own, instead of --root")
    group.add_argument(
        "--annotations", type=Path, metavar="FILE.json", help="a file in COCO's format; it is never changed"
    )
    group.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="the folder of its images; every one is decoded and checked",
    )
    group.add_argument(
        "--output", type=Path, metavar="FILE.json",
        help="the new file; beside it FILE.labels.txt, FILE.category_map.json and FILE.dropped.jsonl",
    )  # fmt: skip
    group.add_argument(
        "--category-map", type=Path, metavar="FILE",
        help="use the labels of an earlier remap (for val, those of train) instead of making them",
    )  # fmt: skip
    add_common_options(parser)
    add_stage_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
