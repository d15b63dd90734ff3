"""Command line of the downloader of Open Images; the ancestors' options mean here what they meant there."""

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

from pipeline.command.options import add_depictions, data_folder, name_list, positive, web_address
from pipeline.command.run_stage import reported, say
from pipeline.open_images.driver import Request, download
from pipeline.stop import Stop
from vision.messages.command_line import Parser, whole_from

ABOUT = """Download the images of some classes of Open Images with their boxes (2018_04: 601 classes, 1.9 million
images), for an import. The tables of boxes come first, about 1 GB, once for each --root. Interrupted or killed, the same command
resumes."""
EPILOG = """Without limits all images of the classes come: look with --stats-only first. Limits are the same images each time, and those of a
smaller number are among those of a larger one.

--max-images is shared out over train, validation and test by what each has.
--max-annotations-per-class takes whole images, of each split, so that no object in them lacks its box."""


def build_parser() -> Parser:
    usual = Request((), Path("data"))
    parser = Parser(prog="python -m pipeline.open_images", description=ABOUT, epilog=EPILOG)
    what = parser.add_argument_group("what")
    what.add_argument(
        "--classes", "--class-names", type=name_list, required=True, metavar="LIST",
        help="class names of Open Images, such as Apple,Orange, in any case",
    )  # fmt: skip
    what.add_argument(
        "--stats-only", action="store_true", help="show the numbers of images and boxes; fetch no image"
    )
    limit = whole_from(-1)
    what.add_argument(
        "--max-images", type=limit, default=-1, metavar="N", help="largest number of images in all (all)"
    )
    what.add_argument(
        "--max-annotations-per-class", type=limit, default=-1, metavar="N",
        help="largest number of boxes of a class in each split (all)",
    )  # fmt: skip
    add_depictions(what)
    what.add_argument(
        "--remove-overlapped", action="store_true",
        help="leave out a single box if a group box of its class covers half of it or more",
    )  # fmt: skip
    what.add_argument(
        "--seed",
        type=whole_from(0),
        default=usual.seed,
        metavar="N",
        help="seed of the choice under the limits (%(default)s)",
    )
    how = parser.add_argument_group("where and how")
    how.add_argument(
        "--root",
        "--data",
        type=data_folder,
        default=usual.root,
        metavar="DIR",
        help="folder to fill (%(default)s)",
    )
    how.add_argument(
        "--num-workers",
        type=positive,
        default=usual.workers,
        metavar="N",
        help="images fetched at a time (%(default)s)",
    )
    how.add_argument(
        "--retry", type=positive, default=usual.tries, metavar="N", help="tries per file (%(default)s)"
    )
    how.add_argument(
        "--mirror", action="append", type=web_address, default=[], metavar="URL",
        help="fetch from here: tables as URL/2018_04/…, images as URL/{train,validation,test}/ID.jpg; may be given more than once",
    )  # fmt: skip
    return parser


def request_of(arguments: argparse.Namespace) -> Request:
    """What the words mean; limits of 0 or less are none, as for the ancestors."""
    return Request(
        tuple(arguments.classes), arguments.root,
        arguments.max_images if arguments.max_images > 0 else None,
        arguments.max_annotations_per_class if arguments.max_annotations_per_class > 0 else None,
        arguments.include_depiction, arguments.remove_overlapped, arguments.stats_only, arguments.num_workers,
        arguments.retry, arguments.seed, tuple(arguments.mirror),
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    request = request_of(build_parser().parse_args(argv))
    with Stop() as stop:
        return reported(lambda: download(request, say, stop), stop)


if __name__ == "__main__":
    sys.exit(main())
