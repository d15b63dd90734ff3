"""Command line of the remap: the stage on a data root, or an annotation file of your own."""

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
from pipeline.data_root.saved_options import AREAS, NONE
from pipeline.image_check.settings import PLAIN
from pipeline.remap_categories.own_file import FileRemap, remap_file
from pipeline.remap_categories.stage import STAGE
from pipeline.stage import Choices
from vision.messages.command_line import Parser


def _remap(parser: Parser, asked: Namespace) -> int:
    named = {name: value for name in AREAS if (value := getattr(asked, name)) != NONE}
    try:
        areas = Choices(**named).areas
    except ValueError as error:
        parser.error(str(error))
    one = FileRemap(
        asked.annotations, asked.images, asked.output, list(asked.classes or ()) or None, asked.category_map,
        asked.workers, asked.accept_missing, asked.exif or PLAIN.exif, areas,
    )  # fmt: skip
    if problem := one.problem():
        parser.error(problem)
    return remap_file(one)


OWN = OwnFile(
    title="one file of your own, instead of --root",
    epilog="What cannot be used is a result, not a failure: it is listed by id with its reason, and the exit code "
    "is 0. A file that cannot be read is refused with its line and key: exit code 1, and nothing is written.",
    needs={
        "--annotations": {
            "type": Path, "metavar": "FILE.json", "help": "a file in COCO's format; it is never changed",
        },
        "--images": {
            "type": Path, "metavar": "DIR", "help": "the folder of its images; every one is decoded and checked",
        },
        "--output": {
            "type": own_output, "metavar": "FILE.json",
            "help": "the new file; beside it FILE.labels.txt, FILE.category_map.json and FILE.dropped.jsonl",
        },
    },
    more={
        "--category-map": {
            "type": Path, "metavar": "FILE",
            "help": "use the labels of an earlier remap (for val, those of train) instead of making them",
        },
    },
    takes=("--classes", "--min-area", "--max-area", "--workers", "--accept-missing", "--exif"),
    run=_remap,
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    return stage_main(STAGE, argv, OWN)


if __name__ == "__main__":
    sys.exit(main())
