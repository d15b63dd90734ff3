"""Asks ``index.sqlite`` from the command line: ``python -m pipeline.index query --classes person --limit 20``."""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import not_a_command

    not_a_command("python -m pipeline.index query")

import argparse
import difflib
import json
import math
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pipeline.annotations.rules import id_problem
from pipeline.command.options import count, name_list
from pipeline.index.schema import READABLE_VERSIONS, USER_VERSION
from vision.artefacts.data_layout import DEFAULT_ROOT, INDEX, LARGE_PX, SMALL_PX
from vision.messages.advice import command
from vision.messages.command_line import Parser, comma_joined
from vision.messages.output import words_are_the_result
from vision.messages.system_errors import instead_of
from vision.messages.terminal import counted

VIEWS = ("class_counts", "size_bins", "images_without_boxes", "images", "categories", "provenance")
FILTERS = ("classes", "split", "image_id", "min_area", "max_area", "size", "crowd")
SIZES = {"small": (0, SMALL_PX), "medium": (SMALL_PX, LARGE_PX), "large": (LARGE_PX, float("inf"))}

EXAMPLES = """examples:
  python -m pipeline.index query --classes person --min-area 1024 --limit 20
  python -m pipeline.index query --classes cat,dog --split val --size small --json
  python -m pipeline.index query --image-id 5001
  python -m pipeline.index query --show class_counts --limit 0
"""


class QueryError(ValueError):
    """The index cannot answer; the text says why and what to do."""


def parser() -> Parser:
    made = Parser(
        prog="python -m pipeline.index query",
        description="List annotations of index.sqlite, or one of its views.",
        epilog=EXAMPLES,
    )
    made.words = f"it takes filters and no SQL: --classes person --limit 20, --show images, …; for SQL: sqlite3 ROOT/{INDEX}"
    made.add_argument("--root", type=Path, default=Path(DEFAULT_ROOT), help="the data folder (%(default)s)")
    made.add_argument(
        "--classes",
        type=name_list,
        metavar="NAME[,NAME]",
        help="only these classes; quote a name that holds a comma",
    )
    made.add_argument("--split", choices=("train", "val", "test"), help="only this split")
    made.add_argument("--image-id", type=image_id, metavar="ID", help="only this image")
    made.add_argument("--min-area", type=area, metavar="PX2", help="smallest area in px²")
    made.add_argument("--max-area", type=area, metavar="PX2", help="only areas below this, in px²")
    made.add_argument("--size", choices=tuple(SIZES), help="COCO's small (< 32²), medium (< 96²) or large")
    made.add_argument("--crowd", choices=("yes", "no"), help="only crowd regions, or none")
    made.add_argument(
        "--show",
        choices=VIEWS,
        metavar="TABLE",
        help=f"show one of these instead of annotations: {', '.join(VIEWS)}",
    )
    made.add_argument(
        "--limit", type=count, default=20, metavar="N", help="largest number of rows; 0 = all (default: 20)"
    )
    made.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    return made


def image_id(text: str) -> int:
    """A whole number that an image can have; SQLite holds no larger one."""
    try:
        value = int(text)
    except ValueError:  # also more digits than Python takes
        value = -1
    if id_problem(value):
        raise argparse.ArgumentTypeError(f"{text[:40]!r}: expected a whole number in 0..2^63-1")
    return value


def area(text: str) -> float:
    """Finite and not negative: every comparison with NaN would be false, and the answer empty without a word."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of px², 0 or more")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the answer; returns 0, or 1 where there is no index to ask."""
    options = parser().parse_args(argv)
    if ignored := _ignored(options):
        parser().error(f"--show {options.show} takes no {', '.join(ignored)}: it would be ignored silently")
    try:
        with closing(open_index(options.root / INDEX)) as index:
            names, rows, total = answer(index, options)
    except QueryError as error:
        print(error, file=sys.stderr)
        return 1
    except sqlite3.DatabaseError as error:
        print(_broken(options.root / INDEX, error), file=sys.stderr)
        return 1
    words_are_the_result()
    _print_json(names, rows) if options.json else _print_table(names, rows, total)
    sys.stdout.flush()
    return 0


def _ignored(options: argparse.Namespace) -> list[str]:
    """The filters that are given and that the table or view of ``--show`` has no column for."""
    if not options.show:
        return []
    given = [name for name in FILTERS if getattr(options, name) is not None]
    return [
        f"--{name.replace('_', '-')}" for name in given if not (name == "split" and _has_split(options.show))
    ]


def _has_split(view: str) -> bool:
    return view not in ("categories", "provenance")


def open_index(path: Path) -> sqlite3.Connection:
    """Opens the index for reading. Raises QueryError where it is missing, damaged or of another version."""
    if not path.parent.is_dir():
        raise QueryError(f"{instead_of('folder', path.parent)}\n  fix: name the data root: --root")
    if not path.is_file():
        raise QueryError(
            f"{path}: there is no index here\n  fix: {command('python -m pipeline run', '--root', path.parent)}"
        )
    index = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        version = index.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        index.close()
        raise _broken(path, error) from error
    if version not in READABLE_VERSIONS:
        index.close()
        raise _broken(path, f"version {version}, expected {USER_VERSION}")
    return index


def _broken(path: Path, problem: object) -> QueryError:
    return QueryError(
        f"{path}: {problem}\n  fix: make it again: {command('python -m pipeline.index', '--root', path.parent, '--force')}"
    )


def answer(index: sqlite3.Connection, options: argparse.Namespace) -> tuple[list[str], list[Any], int]:
    """Column names, rows, and how many rows there would be without the limit."""
    if options.show:
        where, values = ("split = ?", [options.split]) if options.split else ("1", [])
        source = f"FROM {options.show} WHERE {where}"
        columns, order = "*", "1, 2"
    else:
        where, values = conditions(index, options)
        source = (
            "FROM annotations a JOIN categories c ON c.id = a.category_id "
            f"JOIN images i ON i.split = a.split AND i.id = a.image_id WHERE {where}"
        )
        columns = (
            "a.split, a.id, a.image_id, i.file_name, c.name AS class, a.x, a.y, a.w, a.h, a.area, a.iscrowd"
        )
        order = "a.split, a.image_id, a.id"
    limit = options.limit if options.limit > 0 else -1
    cursor = index.execute(f"SELECT {columns} {source} ORDER BY {order} LIMIT ?", [*values, limit])
    names = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    total = index.execute(f"SELECT count(*) {source}", values).fetchone()[0]
    return names, rows, total


def conditions(index: sqlite3.Connection, options: argparse.Namespace) -> tuple[str, list[Any]]:
    """The WHERE clause for annotations, with its values."""
    found: list[tuple[str, Any]] = []
    if options.split:
        found.append(("a.split = ?", options.split))
    if options.image_id is not None:
        found.append(("a.image_id = ?", options.image_id))
    lower, upper = SIZES.get(options.size or "", (None, None))
    for sign, bounds in ((">=", (options.min_area, lower)), ("<", (options.max_area, upper))):
        found += [(f"a.area {sign} ?", bound) for bound in bounds if bound is not None]
    if options.crowd:
        found.append(("a.iscrowd = ?", int(options.crowd == "yes")))
    clauses, values = ["1", *(clause for clause, _ in found)], [value for _, value in found]
    if options.classes is not None:
        labels = labels_of(index, options.classes)
        clauses.append(f"a.category_id IN ({', '.join('?' * len(labels))})")
        values += labels
    return " AND ".join(clauses), values


def labels_of(index: sqlite3.Connection, asked: list[str]) -> list[int]:
    """The labels of class names."""
    known = dict(index.execute("SELECT name, id FROM categories"))
    for name in asked:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3)
            hint = (
                f"did you mean {', '.join(comma_joined([each]) for each in close)}?"
                if close
                else "`--show categories` lists them"
            )
            raise QueryError(f"there is no class {name!r}; {hint}")
    return [known[name] for name in asked]


def _print_json(names: list[str], rows: list[Any]) -> None:
    for row in rows:
        print(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False))


def _print_table(names: list[str], rows: list[Any], total: int) -> None:
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    numbers = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(names))]
    for line in [names, *cells]:
        aligned = (
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(line, widths, numbers, strict=True)
        )
        print("  ".join(aligned).rstrip())
    print(
        f"{len(rows):,} of {counted(total, 'row')}" + ("; --limit 0 shows all" if len(rows) < total else "")
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
