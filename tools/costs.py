"""What a data run takes: bytes to fetch, bytes on disk, rough minutes; and how much of it is still to come.

Standard library only, since the cost is said before anything is installed. The sizes of COCO 2017 are therefore
here a second time; a test holds them against the table of ``pipeline.release``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tools.doctor import gigabytes
from vision.artefacts.data_layout import ANNOTATIONS, ARCHIVES, image_folder

SPLITS = ("train", "val", "test")
COCO_2017 = {
    "zips/train2017.zip": 19_336_861_798,
    "zips/val2017.zip": 815_585_330,
    "zips/test2017.zip": 6_646_970_404,
    "annotations/annotations_trainval2017.zip": 252_907_541,
    "annotations/image_info_test2017.zip": 1_144_034,
}

# Images come out of an archive at their own size (a JPEG does not shrink in a zip), and the archives stay. Of
# COCO's 253 MB of annotations come 0.5 GB of JSON, as much remapped, and 0.2 GB of index and arrays.
ANNOTATION_GROWTH = 5
FETCH_BYTES_PER_MINUTE = 100e6 / 8 * 60  # a line of 100 Mbit/s
WORK_BYTES_PER_MINUTE = 4e9  # four cores: unpack, decode every image once, remap, index


@dataclass(frozen=True)
class Cost:
    """fetch, disk: bytes; minutes: rough, for people."""

    fetch: float
    disk: float
    minutes: float

    def __str__(self) -> str:
        fetched = f"{gigabytes(self.fetch)} to fetch, " if self.fetch else ""
        return f"{fetched}{gigabytes(self.disk)} on disk, about {max(1, round(self.minutes))} min"


def split_of(path: str) -> str | None:
    """``train`` of ``zips/train2017.zip``; None for annotations."""
    name = PurePosixPath(path).name
    return next((split for split in SPLITS if name == f"{split}2017.zip"), None)


def needed_files(table: Mapping[str, int], splits: Iterable[str]) -> dict[str, int]:
    """The files of a release that belong to ``splits``: their images and the annotations of those."""
    asked = set(splits)

    def wanted(path: str) -> bool:
        if split_of(path) is not None:
            return split_of(path) in asked
        return "test" in asked if "test" in PurePosixPath(path).name else bool(asked & {"train", "val"})

    return {path: size for path, size in table.items() if wanted(path)}


def unpacked_bytes(path: str, size: int) -> int:
    return size if split_of(path) else size * ANNOTATION_GROWTH


def data_cost(table: Mapping[str, int], splits: Iterable[str]) -> Cost:
    """Of a run that starts with nothing."""
    files = needed_files(table, splits)
    fetch = sum(files.values())
    disk = fetch + sum(unpacked_bytes(path, size) for path, size in files.items())
    return Cost(fetch, disk, fetch / FETCH_BYTES_PER_MINUTE + fetch / WORK_BYTES_PER_MINUTE)


def missing_bytes(table: Mapping[str, int], splits: Iterable[str], root: Path) -> int:
    """Disk that the run will still take in ``root``: archives, image folders and annotations that are not there."""
    total = 0
    for path, size in needed_files(table, splits).items():
        archive, split = root / ARCHIVES / path, split_of(path)
        part = archive.with_name(archive.name + ".part")
        if not archive.is_file():
            total += size - (_occupied(part) if part.is_file() else 0)
        if not (root / (image_folder(split) if split else ANNOTATIONS)).is_dir():
            total += unpacked_bytes(path, size)
    return total


def _occupied(part: Path) -> int:
    """A file that is arriving has holes."""
    facts = part.stat()
    return min(facts.st_size, facts.st_blocks * 512)


def read_table(release: Path) -> dict[str, int]:
    """path → bytes of a release file, or of the choices noted in a root. Empty when it is not such a file: the
    pipeline, which checks it strictly, says what is wrong with it."""
    try:
        value = json.loads(release.read_text(encoding="utf-8"))
        return {str(row["path"]): int(row["bytes"]) for row in value.get("release", value)["files"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def read_splits(choices: Path) -> tuple[str, ...]:
    """The splits of the last run in a root; train and val where there was none."""
    try:
        return tuple(map(str, json.loads(choices.read_text(encoding="utf-8"))["splits"]))
    except (OSError, ValueError, KeyError, TypeError):
        return ("train", "val")
