"""The SQLite index: tables and views, and how they are filled. The same input gives the same bytes."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.image_check.verdicts import Verdict
from pipeline.index.columns import Columns
from pipeline.index.schema import USER_VERSION
from pipeline.stage import Interrupted
from pipeline.stop import NEVER, Stop
from vision.artefacts.data_layout import LARGE_PX, SMALL_PX
from vision.artefacts.files import space_errors
from vision.images.formats import STORED

SCHEMA = """
CREATE TABLE categories (
    id INTEGER PRIMARY KEY,          -- the label: line number in labels.txt
    original_id INTEGER NOT NULL,    -- as published
    name TEXT NOT NULL,
    supercategory TEXT NOT NULL
);
CREATE TABLE images (
    id INTEGER NOT NULL,
    split TEXT NOT NULL,             -- train, val or test
    dataset TEXT NOT NULL,
    file_name TEXT NOT NULL,         -- inside the split's image folder
    width INTEGER,                   -- px; NULL where a rejected file did not tell
    height INTEGER,
    verdict TEXT NOT NULL,           -- ok, convert, reject, or unchecked
    reason TEXT NOT NULL,
    orientation INTEGER NOT NULL     -- EXIF's (2..8) where it is applied, else 1: the frame as stored
);
CREATE TABLE annotations (
    id INTEGER NOT NULL,
    image_id INTEGER NOT NULL,
    category_id INTEGER NOT NULL,    -- the label
    original_category_id INTEGER NOT NULL,
    x REAL NOT NULL,                 -- px, left
    y REAL NOT NULL,                 -- px, top
    w REAL NOT NULL,
    h REAL NOT NULL,
    area REAL NOT NULL,              -- px² of the mask where there is one, else of the box
    iscrowd INTEGER NOT NULL,
    split TEXT NOT NULL
);
CREATE TABLE provenance (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

# Made after the rows are in: one sort instead of a search for each row.
INDEXES = f"""
CREATE UNIQUE INDEX images_by_id ON images (split, id);
CREATE UNIQUE INDEX annotations_by_id ON annotations (split, id);
CREATE INDEX annotations_by_image ON annotations (split, image_id);
CREATE INDEX annotations_by_category ON annotations (category_id, area);
CREATE VIEW class_counts AS
    SELECT a.split, c.id, c.name, count(*) AS annotations, count(DISTINCT a.image_id) AS images,
           sum(a.iscrowd) AS crowds
    FROM annotations a JOIN categories c ON c.id = a.category_id GROUP BY a.split, c.id;
CREATE VIEW size_bins AS             -- COCO's bounds: 32² and 96² px
    SELECT split, CASE WHEN area < {SMALL_PX} THEN 'small' WHEN area < {LARGE_PX} THEN 'medium' ELSE 'large' END AS size,
           count(*) AS annotations
    FROM annotations WHERE iscrowd = 0 GROUP BY split, size;
CREATE VIEW images_without_boxes AS
    SELECT split, id, file_name, width, height FROM images i WHERE verdict != 'reject'
    AND NOT EXISTS (SELECT 1 FROM annotations a WHERE a.split = i.split AND a.image_id = i.id);
"""

PRAGMAS = (
    "page_size = 4096", "journal_mode = OFF", "synchronous = OFF", "temp_store = MEMORY",
    "cache_size = -65536",  # KiB that are sorted at once
)  # fmt: skip
BLOCK = 50_000
"""Annotations that are turned into Python values at a time."""
TOGETHER = 8
"""Annotations that one statement puts in: half the time of one each."""
PROGRESS_STEPS = 100_000
"""Steps of SQLite's machine (some milliseconds) between two looks whether to stop."""
CANNOT_OPEN = "unable to open database file"
NO_MORE = "disk I/O error"
"""Also where a quota is used up, or a limit of the file system or of ``ulimit -f`` reached."""
PROBE = 1 << 20
"""Bytes that are written behind a database to learn which of these it is."""
SYSTEM_ERRORS = {"database or disk is full": errno.ENOSPC, NO_MORE: errno.EIO}
"""By SQLite's words for its codes, which are the same in all its versions; Python shows the codes from 3.11 on."""
LEFT_OUT = "left out by the remap; see report/annotations.jsonl"


def write_tables(
    path: Path,
    splits: Iterable[tuple[Columns, dict[int, Verdict] | None]],
    provenance: Mapping[str, str],
    stop: Stop = NEVER,
) -> int:
    """Makes the database at ``path`` (a new file) and returns the number of image rows. Raises Interrupted."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.set_progress_handler(stop.wanted, PROGRESS_STEPS)
            return _write(database, splits, provenance)
    except sqlite3.Error as error:
        if stop.wanted():
            raise Interrupted from error
        if str(error) in (CANNOT_OPEN, NO_MORE):
            with space_errors(path), path.open("ab") as file:  # raises what SQLite does not say
                file.write(bytes(PROBE if str(error) == NO_MORE else 0))
        number = SYSTEM_ERRORS.get(str(error))
        if number is None:
            raise
        raise OSError(number, f"{os.strerror(number)} ({error})", str(path)) from error


def _write(
    database: sqlite3.Connection,
    splits: Iterable[tuple[Columns, dict[int, Verdict] | None]],
    provenance: Mapping[str, str],
) -> int:
    images = 0
    for pragma in PRAGMAS:
        database.execute(f"PRAGMA {pragma}").fetchall()
    database.executescript(f"PRAGMA user_version = {USER_VERSION};" + SCHEMA)
    database.execute("BEGIN")
    for columns, verdicts in splits:
        images += _fill(database, columns, verdicts, provenance["dataset"])
    database.executemany("INSERT INTO provenance VALUES (?, ?)", sorted(provenance.items()))
    database.execute("COMMIT")
    database.executescript(INDEXES)
    return images


def _fill(
    database: sqlite3.Connection, columns: Columns, verdicts: dict[int, Verdict] | None, dataset: str
) -> int:
    database.executemany("INSERT OR IGNORE INTO categories VALUES (?, ?, ?, ?)", _category_rows(columns))
    rows = _image_rows(columns, verdicts, dataset)
    database.executemany("INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    annotations, count = _annotation_rows(columns), len(columns.ids)
    for together in (TOGETHER, 1):
        values = chain.from_iterable(islice(annotations, count - count % together))
        row = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        statement = "INSERT INTO annotations VALUES " + ", ".join([row] * together)
        database.executemany(statement, zip(*[values] * row.count("?") * together, strict=True))
        count %= together
    return len(rows)


def _category_rows(columns: Columns) -> Iterator[tuple[Any, ...]]:
    for category in columns.categories:
        yield category["id"], category["original_id"], category["name"], category["supercategory"]


def _image_rows(columns: Columns, verdicts: dict[int, Verdict] | None, dataset: str) -> list[tuple[Any, ...]]:
    """Images of the remapped file, and those that the image check knows and the remap left out, by id."""
    rows: dict[int, tuple[Any, ...]] = {}
    for id_, found in (verdicts or {}).items():
        reason = found.reason or LEFT_OUT
        rows[id_] = (
            id_,
            columns.split,
            dataset,
            found.file_name,
            found.width,
            found.height,
            "reject",
            reason,
            found.orientation,
        )
    sizes = zip(
        columns.image_ids.tolist(),
        columns.file_names,
        columns.widths.tolist(),
        columns.heights.tolist(),
        strict=True,
    )
    for id_, file_name, width, height in sizes:
        known = (verdicts or {}).get(id_)
        judged = (known.verdict, known.reason, known.orientation) if known else ("unchecked", "", STORED)
        rows[id_] = (id_, columns.split, dataset, file_name, width, height, *judged)
    return [rows[id_] for id_ in sorted(rows)]


def _annotation_rows(columns: Columns) -> Iterator[tuple[Any, ...]]:
    """By rising id, so that the table grows at its end."""
    original = np.array([0, *(category["original_id"] for category in columns.categories)], object)
    order = columns.ids.argsort(kind="stable")
    for start in range(0, len(order), BLOCK):
        rows = order[start : start + BLOCK]
        labels = columns.labels[rows]
        values = (
            columns.ids[rows], columns.annotation_image_ids[rows], labels, original[labels],
            *columns.boxes_xywh_px[rows].T, columns.area[rows], columns.is_crowd[rows].astype(int),
        )  # fmt: skip
        yield from zip(*(array.tolist() for array in values), repeat(columns.split))
