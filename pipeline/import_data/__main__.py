"""Command line of the import: a foreign data set → a data root, and the stages on it."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.command import next_step
from pipeline.command.options import OPTIONS, add_depictions, add_no_wait, add_workers, count, data_folder
from pipeline.command.run_stage import reported, run_and_report, say, settings_of
from pipeline.formats.contract import FORMATS
from pipeline.import_data.request import DIFFICULT, LINKS, Request
from pipeline.runner import own_data
from pipeline.stages import NAMES, named
from pipeline.stop import Stop
from vision.messages.advice import command
from vision.messages.command_line import Parser, fraction

DEFAULTS = Request("", Path(), Path())
STAGE_OPTIONS = ("--exif", "--classes", "--thorough")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m pipeline.import_data",
        description="Import a data set of another layout into a data root and run the stages on it: decode every image, check every "
        "box, list everything dropped with its reason. The import never writes to originals.",
        epilog="How each layout is read, and which options to choose: docs/custom-data.md.",
    )
    what = parser.add_argument_group("what")
    what.add_argument(
        "--from", dest="format", required=True, choices=FORMATS, metavar="LAYOUT", help=", ".join(FORMATS)
    )
    what.add_argument(
        "--source",
        type=Path,
        required=True,
        metavar="PATH",
        help="the folder (or annotation file) of the data set",
    )
    what.add_argument(
        "--images", type=Path, metavar="DIR", help="folder of its images (default: where the layout has them)"
    )
    what.add_argument(
        "--root",
        type=data_folder,
        required=True,
        metavar="DIR",
        help="data root to make: a new or empty folder",
    )
    what.add_argument(
        "--link", choices=LINKS, default=DEFAULTS.link,
        help="how images get into the root: hard links (no disk space; copies if the file system has no hard links), soft links, "
        "or copies (%(default)s)",
    )  # fmt: skip
    split = parser.add_argument_group("split, if the layout states none")
    split.add_argument(
        "--val",
        type=_share,
        default=DEFAULTS.val,
        metavar="SHARE",
        help="share of the images for validation (%(default)s)",
    )
    split.add_argument(
        "--seed", type=count, default=DEFAULTS.seed, metavar="N", help="seed of the split (%(default)s)"
    )
    split.add_argument("--resplit", action="store_true", help="draw a split even if the layout states one")
    single = parser.add_argument_group("single layouts")
    single.add_argument(
        "--difficult", choices=DIFFICULT, default=DEFAULTS.difficult,
        help="voc: treat difficult objects as regions that count neither for nor against (ignore), keep them as objects, or drop them (%(default)s)",
    )  # fmt: skip
    add_depictions(single, "open_images: ")
    run = parser.add_argument_group("the stages that follow")
    run.add_argument("--no-run", action="store_true", help="import only; do not run the stages")
    add_workers(run)
    for flag in STAGE_OPTIONS:
        run.add_argument(flag, **OPTIONS[flag][1])
    add_no_wait(run)
    return parser.parse_args(argv)


def _share(text: str) -> float:
    share = fraction(text)
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text}: more than 0 and less than 1: both sides need images")
    return share


def request_of(arguments: argparse.Namespace) -> Request:
    named_so = (
        "format",
        "source",
        "root",
        "images",
        "val",
        "seed",
        "resplit",
        "link",
        "difficult",
        "include_depiction",
    )
    return Request(
        **{name: getattr(arguments, name) for name in named_so},
        exif=arguments.exif or DEFAULTS.exif, classes=arguments.classes or None,
    )  # fmt: skip


def main(argv: Sequence[str] | None = None, then_train: bool = True) -> int:
    """``then_train``: ends with the command that trains; not for a trainer, which continues by itself."""
    arguments = parse(argv)
    request = request_of(arguments)
    with Stop() as stop:

        def work() -> None:
            from pipeline.import_data.driver import import_data  # the decoders: --help does not wait for them

            import_data(request, say, stop, not arguments.no_wait)

        code = reported(work, stop)
    if code:
        return code
    if arguments.no_run:
        more = ("--thorough",) if arguments.thorough else ()
        print(f"next: {command('python -m pipeline run', '--root', arguments.root, *more)}")
        return 0
    arguments.force = False
    code = run_and_report([named(name) for name in NAMES[NAMES.index(own_data.FIRST) :]], arguments)
    if not code and then_train:
        print("\n".join(next_step.after_all(settings_of(arguments))))
    return code


if __name__ == "__main__":
    sys.exit(main())
