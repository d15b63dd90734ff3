"""Command line of the statistics: what is in a data root, by its arrays; duplicates by its images."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.command.options import (
    DEFAULTS,
    add_root_option,
    add_splits_option,
    add_workers,
    data_folder,
    positive,
)
from pipeline.command.run_stage import reported, settings_of
from pipeline.command.sinks import is_sink, stream_of, write_into_sink
from pipeline.runner.run import decide_all
from pipeline.stage import Settings
from pipeline.stages import named
from pipeline.stop import Stop
from vision.artefacts.targets import not_ours, require_file_place
from vision.messages.advice import shown
from vision.messages.command_line import Parser
from vision.messages.output import words_are_the_result
from vision.messages.system_errors import instead_of

if TYPE_CHECKING:
    from pipeline.statistics.splits import Split

SCHEMA = 1
JSON_MARK = '{\n "statistics": '
"""How a file begins that --json has made: only such a one gives way to another."""
EXAMPLES = """examples:
  python -m pipeline.statistics coco-data --duplicates off
  python -m pipeline.statistics --root my-data --page my-data.html --json my-data.json
  python -m pipeline.statistics my-data --json - | python -m json.tool

The numbers come from the arrays of the index stage and take seconds; images are read for duplicates and for the page alone.
Nothing in the data folder is changed.
"""


def parser() -> Parser:
    made = Parser(
        prog="python -m pipeline.statistics",
        description="Report what is in a data root: counts, sizes, duplicates, boxes that are probably mistakes.",
        epilog=EXAMPLES,
    )
    made.add_argument("folder", nargs="?", type=data_folder, metavar="ROOT", help="the same as --root")
    add_root_option(made)
    add_splits_option(made)
    made.add_argument(
        "--duplicates", choices=("on", "off"), default="on",
        help="read every image to find equal files and images that look alike (%(default)s)",
    )  # fmt: skip
    made.add_argument(
        "--few", type=positive, default=100, metavar="N", help="name classes with fewer objects (%(default)s)"
    )
    made.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write everything as JSON, with all ids; - prints it instead of the table",
    )
    made.add_argument(
        "--page",
        type=Path,
        metavar="FILE.html",
        help="write a page with images of each class and suspicion, with their boxes",
    )
    add_workers(made, "that read images")
    return made


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Raises SystemExit(2) for options that contradict each other."""
    made = parser()
    arguments = made.parse_args(argv)
    if arguments.folder is not None:
        if arguments.root not in (DEFAULTS.root, arguments.folder):
            made.error(
                f"ROOT and --root name two folders: {shown(arguments.folder)} and {shown(arguments.root)}"
            )
        arguments.root = arguments.folder
    streams = [stream_of(path) for path in (arguments.json, arguments.page) if path and is_sink(path)]
    if len(streams) == 2 and streams[0] is not None and streams[0] == streams[1]:
        made.error("--json and --page would be mixed in one stream: give one of them a file")
    if (
        arguments.json
        and arguments.page
        and arguments.json.resolve() == arguments.page.resolve()
        and not streams
    ):
        made.error(f"--json and --page name one file: {shown(arguments.json)}")
    return arguments


def measured(splits: Sequence[Split], settings: Settings, few: int) -> dict[str, Any]:
    """All that the arrays and the listing of the remap say; by the names of docs/artefacts.md."""
    from pipeline.statistics.numbers import few_and_missing, numbers_of
    from pipeline.statistics.suspicions import outside_of, suspicions_of

    numbers = {split.name: numbers_of(split) for split in splits}
    found = [suspicions_of(split) for split in splits]
    outside = outside_of(settings.root, list(numbers))
    return {
        "statistics": SCHEMA,
        "root": shown(settings.root),
        "splits": numbers,
        "classes": few_and_missing(numbers, few),
        "suspicions": {kind: [row for of in found for row in of[kind]] for kind in found[0]},
        "outside": outside,
        "duplicates": None,
        "left_out": []
        if outside is not None
        else ["boxes outside their image: there is no listing of remap_categories"],
    }


def add_duplicates(
    report: dict[str, Any], splits: Sequence[Split], settings: Settings, wanted: bool, stop: Stop
) -> None:
    """Into ``report``, from the splits whose images are here; what is not looked at is said there."""
    here = [split for split in splits if split.folder.is_dir()]
    for split in splits:
        if wanted and split not in here:
            report["left_out"].append(f"duplicates of {split.name}: {instead_of('folder', split.folder)}")
    if not wanted:
        report["left_out"].append("duplicates: not looked for (--duplicates off)")
    elif here:
        from pipeline.statistics.duplicates import duplicates_of

        report["duplicates"] = duplicates_of(settings.root, here, settings.workers, stop)


def require_places(arguments: argparse.Namespace) -> None:
    """Raises NotReplaced for a file that is not of our making, before anything is read."""
    from pipeline.statistics.page import MARK

    for path, mark, option in ((arguments.json, JSON_MARK, "--json"), (arguments.page, MARK, "--page")):
        if path is None or is_sink(path):
            continue
        require_file_place(path)
        if not path.parent.is_dir():
            raise NotADirectoryError(
                f"{instead_of('folder', path.parent)}\n  why: {option} should be written there\n  fix: make it, or name another place"
            )
        if path.exists():
            with path.open("rb") as file:
                begin = file.read(len(mark.encode()))
            if begin not in (b"", mark.encode()):
                raise not_ours(path, f"only a file that {option} has made gives way to another", option)


def publish(path: Path, pieces: Iterable[str]) -> None:
    """Into a file that appears whole, or into a sink."""
    from vision.artefacts.files import atomic_publish

    if is_sink(path):
        write_into_sink(path, pieces)
        return
    with atomic_publish(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(pieces)


def work(arguments: argparse.Namespace, stop: Stop) -> None:
    """Measures, prints, publishes."""
    require_places(arguments)
    settings = settings_of(arguments)

    from pipeline.statistics.page import page, pages_tiles
    from pipeline.statistics.splits import open_splits
    from pipeline.statistics.table import duplicate_lines, left_out_lines, table

    quiet = 1 in [stream_of(path) for path in (arguments.json, arguments.page) if path]
    lines: list[str] = []

    def say(more: Sequence[str]) -> None:
        lines.extend(more)
        if not quiet and more:
            print("\n".join(more), flush=True)

    splits = open_splits(settings)
    say_if_stale(settings, stop)
    report = measured(splits, settings, arguments.few)
    say(table(report))
    add_duplicates(report, splits, settings, arguments.duplicates == "on", stop)
    say(
        [
            *(duplicate_lines(report["duplicates"]) if report["duplicates"] else []),
            *left_out_lines(report["left_out"]),
        ]
    )
    if arguments.json:
        publish(arguments.json, _json(report))
    if arguments.page:
        publish(
            arguments.page, page(report["root"], lines, pages_tiles(splits, report), settings.workers, stop)
        )
    if not quiet:
        for path in filter(None, (arguments.json, arguments.page)):
            print(f"written: {shown(path)}")
        more = (
            (arguments.json, "all ids: --json FILE"),
            (arguments.page, "images with their boxes: --page FILE.html"),
        )
        if hints := [hint for given, hint in more if not given]:
            print("; ".join(hints))


def _json(report: dict[str, Any]) -> Iterator[str]:
    yield from json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=1).iterencode(report)
    yield "\n"


def say_if_stale(settings: Settings, stop: Stop) -> None:
    """The numbers are those of the arrays, which may be older than the annotations."""
    for decision in decide_all([named("index")], settings, stop=stop):
        if decision.must_run:
            print(f"note: {decision.stage} is {decision.state}: {decision.why}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0, 1 where there is nothing to measure or something is in the way, 130 or 143 after an interruption."""
    arguments = parse(argv)
    if not (arguments.json or arguments.page):
        words_are_the_result()
    with Stop() as stop:
        return reported(lambda: work(arguments, stop), stop, "interrupted; nothing more was written")


if __name__ == "__main__":
    sys.exit(main())
