"""Open Images as it is published: hosts, paths, columns, sizes. The one table of them; what is written keeps the layout."""

from __future__ import annotations

from pathlib import Path

from pipeline.stop import StageError
from pipeline.transfer.mirrors import below
from vision.messages.advice import command, shown

TABLES_HOST = "https://storage.googleapis.com/openimages"
IMAGES_HOST = "https://open-images-dataset.s3.amazonaws.com"
VERSION = "2018_04"
SPLITS = ("train", "validation", "test")
DESCRIPTIONS = "class-descriptions-boxable.csv"
COLUMNS = (
    "ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax",
    "IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside",
)  # fmt: skip
MADE_COLUMNS = (*COLUMNS, "id", "ClassName")
"""Of the tables that are written: ``id`` is LabelName again, as the ancestors' downloader has it."""
IMAGE_BYTES = 350_000
"""An image on the average."""

CACHE = ".open_images"
"""A folder of the root: the published tables, and our notes about the root."""


def table_name(split: str) -> str:
    return f"{split}-annotations-bbox.csv"


def made_name(split: str) -> str:
    return f"sub-{split}-annotations-bbox.csv"


def image_name(split: str, image_id: str) -> str:
    return f"{split}/{image_id}.jpg"


def table_addresses(name: str, mirrors: tuple[str, ...]) -> list[str]:
    """Of ``class-descriptions-boxable.csv`` or ``train-annotations-bbox.csv``; a mirror has all below one address."""
    split = name.partition("-")[0]
    path = f"{VERSION}/{split}/{name}" if split in SPLITS else f"{VERSION}/{name}"
    return [below(server, path) for server in mirrors or (TABLES_HOST,)]


def image_addresses(name: str, mirrors: tuple[str, ...]) -> list[str]:
    """Of ``train/ID.jpg``."""
    return [below(server, name) for server in mirrors or (IMAGES_HOST,)]


def damaged(path: Path, why: str) -> StageError:
    """A table in the cache that is not as it was published."""
    return StageError(
        f"{shown(path)} is not the table that Open Images publishes",
        why,
        f"remove it, and the same command fetches it again: {command('rm', path)}",
    )
