"""Open Images: ``{train,validation,test}/ID.jpg`` and CSV tables of boxes as fractions of the image.

``sub-{split}-annotations-bbox.csv`` is what the ancestors' downloader makes; ``{split}-annotations-bbox.csv`` (also with
``oidv6-`` in front) is the release's, of which only rows of images that are here are looked at. ``LabelName`` gets its name from
``ClassName``, or from ``class-descriptions-boxable.csv``. An ImageID is a text: its zeros stay.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from pipeline.formats.contract import Foreign, ForeignBox, ForeignImage, Problem, Source
from pipeline.formats.documents import Unreadable, number
from pipeline.formats.image_files import ImageFiles
from pipeline.stop import StageError
from vision.images.formats import BadImage
from vision.messages.advice import shown
from vision.messages.command_line import shortened
from vision.messages.system_errors import instead_of

SPLITS = {"train": "train", "validation": "val", "test": "test"}
SIDES = ("XMin", "YMin", "XMax", "YMax")
NEEDED = ("ImageID", "LabelName", *SIDES)
DESCRIPTIONS = "class-descriptions-boxable.csv"
Row = tuple[int, dict[str, str]]


def read(source: Source) -> Foreign:
    """Raises StageError where there is no table, or one without its columns."""
    root = source.path
    if not root.is_dir():
        raise StageError(
            instead_of("folder", root), "Open Images is a folder with CSV tables", "check the path"
        )
    tables = [(word, table) for word in SPLITS if (table := _table(root, word))]
    if not tables:
        raise StageError(
            f"there is no table of boxes in {shown(root)}",
            "looked for sub-train-annotations-bbox.csv, train-annotations-bbox.csv and those of validation and test",
            "put them there, beside train/, validation/ and test/",
        )
    names = _descriptions(root)
    notes: list[str] = []

    def images() -> Iterator[ForeignImage]:
        for word, table in tables:
            yield from _images(source, word, table, names, notes)

    return Foreign((), images(), lambda: notes)


def _table(root: Path, word: str) -> Path | None:
    end = f"{word}-annotations-bbox.csv"
    names = (f"sub-{end}", end, f"{word}/{end}", f"oidv6-{end}")
    return next((root / name for name in names if (root / name).is_file()), None)


def _descriptions(root: Path) -> dict[str, str]:
    """LabelName → name; empty where the file is not there."""
    path = next((each for each in (root / DESCRIPTIONS, root.parent / DESCRIPTIONS) if each.is_file()), None)
    if path is None:
        return {}
    with _opened(path) as file:
        return {
            row[0].strip(): row[1].strip() for _, row in _rows(path, file) if len(row) == 2 and row[1].strip()
        }


def _opened(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", newline="")


def _rows(path: Path, file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """(line, values); raises StageError for what is no CSV in UTF-8."""
    reader = csv.reader(file, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except (csv.Error, UnicodeDecodeError) as error:
        raise StageError(
            f"{shown(path)}: line {reader.line_num + 1} cannot be read",
            str(error),
            "save it as CSV in UTF-8, values separated by commas",
        ) from None


def _images(
    source: Source, word: str, table: Path, names: dict[str, str], notes: list[str]
) -> Iterator[ForeignImage]:
    folders = (
        [source.images / word, source.images]
        if source.images
        else [source.path / word, source.path / "images" / word]
    )
    files = ImageFiles(folders)
    here = {path.stem: path for path, _ in reversed(files.everything)}
    every, elsewhere = _by_image(source, table, None if table.name.startswith("sub-") else here.keys())
    if elsewhere:
        notes.append(f"{table.name}: rows of images that are not here: {elsewhere:,}")
    for id_, rows in every.items():
        source.stop.check()
        yield _image(source, SPLITS[word], here.get(id_), id_, rows, table, names)
    if others := here.keys() - every.keys():
        notes.append(
            f"{word}: images without a row in {table.name}, which are not taken: {len(others):,}, such as {shown(min(others))!r}"
        )


def _by_image(source: Source, table: Path, here: object) -> tuple[dict[str, list[Row]], int]:
    """Rows by ImageID in the order of the table; ``here``: the ids that are looked at, None for all. And how many were passed over."""
    found: dict[str, list[Row]] = defaultdict(list)
    elsewhere = 0
    with _opened(table) as file:
        rows = _rows(table, file)
        header = [name.strip() for name in next(rows, (0, []))[1]]
        if absent := [name for name in NEEDED if name not in header]:
            raise StageError(
                f"{shown(table)} has no column {', '.join(absent)}", f"its first line has {shortened(', '.join(map(shown, header))) or 'nothing'}",
                "take the table as the release or the downloader made it, values separated by commas",
            )  # fmt: skip
        at = header.index("ImageID")
        for number_, (line, row) in enumerate(rows):
            if number_ % 4096 == 0:
                source.stop.check()
            id_ = row[at].strip() if len(row) > at else ""
            if here is not None and id_ not in here:  # type: ignore[operator]
                elsewhere += 1
                continue
            values = dict(zip(header, row, strict=False)) if len(row) == len(header) else {"": str(len(row))}
            found[id_].append((line, values))
    return found, elsewhere


def _image(
    source: Source,
    split: str,
    path: Path | None,
    id_: str,
    rows: list[Row],
    table: Path,
    names: dict[str, str],
) -> ForeignImage:
    hw, fault = None, None
    if path is None:
        fault = Problem(
            "missing_image",
            f"there is no image {shown(shortened(id_))!r}",
            f"{table.name}: line {rows[0][0]}",
        )
    else:
        try:
            hw = source.size_of(path)
        except BadImage as error:
            code, _, words = error.reason.partition(": ")
            fault = Problem(code, words or "no image that can be used", path.name)
    boxes, problems = [], []
    for line, row in rows:
        where = f"{table.name}: line {line}"
        try:
            boxes.append(_box(source, row, hw or (1, 1), names, where))
        except Unreadable as error:
            problems.append(Problem(error.reason, error.detail, where))
    return ForeignImage(
        path, path.name if path else id_, split, hw, tuple(boxes), tuple(problems), fault, table.name
    )


def _box(
    source: Source, row: dict[str, str], hw: tuple[int, int], names: dict[str, str], where: str
) -> ForeignBox:
    if "" in row:
        raise Unreadable("bad_row", f"{row['']} values, unlike the first line")
    if row.get("IsDepiction", "").strip() == "1" and not source.include_depiction:
        raise Unreadable("depiction", "a drawing of the object (--include-depiction keeps it)")
    label = row["LabelName"].strip()
    name = row.get("ClassName", "").strip() or names.get(label, label)
    if not name:
        raise Unreadable("no_name", "neither ClassName nor LabelName")
    sides = [number(row[side], side) for side in SIDES]
    if any(not -0.01 <= side <= 1.01 for side in sides):
        raise Unreadable(
            "out_of_range",
            f"{shortened(', '.join(row[side] for side in SIDES))}: expected fractions of the image, 0 to 1",
        )
    height, width = hw
    box = (sides[0] * width, sides[1] * height, sides[2] * width, sides[3] * height)
    return ForeignBox(name, box, crowd=row.get("IsGroupOf", "").strip() == "1", where=where)
