"""Where every file of a data root is, and what those hold that the stages write and the trainer reads.

``docs/artefacts.md`` says what is in each. Paths are relative, with ``/``; a split is ``train``, ``val`` or ``test``.
"""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from vision.messages.advice import UserError, command, shown
from vision.messages.system_errors import MOST_NAMES, nearest_path
from vision.messages.terminal import counted

DEFAULT_ROOT = "coco-data"

SPLITS = ("train", "val", "test")

STATE = ".pipeline"
"""Our own notes about the root: receipts, claims, saved options."""
LOCK = f"{STATE}/lock"
CHOICES = f"{STATE}/choices.json"
BROUGHT = f"{STATE}/brought.jsonl"
MANIFESTS = f"{STATE}/manifests"
CLAIMS = f"{STATE}/claims"
STAGING = f"{STATE}/staging"
"""Below it each stage has a folder for half-done work."""

ARCHIVES = "archives"
ANNOTATIONS = "annotations"
LABELS_NAME = "labels.txt"
LABELS = f"{ANNOTATIONS}/{LABELS_NAME}"
CATEGORY_MAP = f"{ANNOTATIONS}/category_map.json"
REJECTS = "rejects.jsonl"
IMAGE_REPORT = "report/images.jsonl"
SHEET = "report/bad_images.png"
LISTING = "report/annotations.jsonl"
REPORT = "report/annotations.txt"
INDEX = "index.sqlite"
PACKS = "packs"
ARRAYS = "arrays"
ARRAYS_RECORD = "arrays.json"
ARRAYS_SCHEMA = 1
UPRIGHT_SCHEMA = 2
"""The same with ``orientations.npy``: some images are used as their EXIF orientation turns them."""
BACKGROUND = "BACKGROUND"
SMALL_PX, LARGE_PX = 32**2, 96**2
"""COCO's bounds of an object's area between small, medium and large, px²."""


def image_folder(split: str) -> str:
    """The folder of a split's images."""
    return f"{split}2017"


def original_path(split: str) -> str:
    """The published annotations of ``split``; the test split has image sizes only."""
    return f"{ANNOTATIONS}/{'image_info' if split == 'test' else 'instances'}_{split}2017.json"


def remapped_path(split: str) -> str:
    """What the remap stage makes of them."""
    return original_path(split).replace(".json", ".remapped.json")


def arrays_path(split: str) -> str:
    """The flat arrays of a split, for the trainer."""
    return f"{ARRAYS}/{split}2017"


def pack_path(split: str, pack_format: str, size: int) -> str:
    """The images of a split, decoded once and reduced to ``size`` px, for the trainer."""
    return f"{PACKS}/{split}2017.{pack_format}-{size}"


def receipt_name(stage: str) -> str:
    """What a stage read, made and counted."""
    return f"{STATE}/{stage}.json"


def kept_name(stage: str) -> str:
    """What a stage knows beside its outputs, for its next run."""
    return f"{STATE}/{stage}.journal.jsonl"


def claim_name(stage: str) -> str:
    """Which paths a stage has begun to make."""
    return f"{CLAIMS}/{stage}.json"


OF_THE_DATA = (*map(image_folder, SPLITS), ANNOTATIONS, ARCHIVES, ARRAYS, PACKS, "report", STATE)
"""Folders of a data root that its stages own."""


def is_data_root(folder: Path) -> bool:
    """Whether images and annotations of a data root are in ``folder``."""
    return (
        (folder / STATE).is_dir()
        or any((folder / image_folder(split)).is_dir() for split in SPLITS)
        or any(folder.glob(original_path("*")))
        or any(folder.glob(f"{ARRAYS}/*/{ARRAYS_RECORD}"))
    )


FOREIGN_MARKS = {
    "voc": ("Annotations/*.xml", "annotations/*.xml", "train/*.xml"),
    "open_images": ("*-annotations-bbox.csv",),
    "yolo": ("data.yaml", "data.yml", "dataset.yaml", "obj.names", "obj.data"),
    "cvat": ("annotations.xml",),
    "coco": ("_annotations.coco.json", "*/_annotations.coco.json", "annotations/*.json", "result.json"),
}
"""Layout → what only it has."""


def foreign_layout(folder: Path) -> str | None:
    """The layout of ``folder`` by its marks; None for none, or a data root."""
    if is_data_root(folder):
        return None
    return next(
        (kind for kind, marks in FOREIGN_MARKS.items() if any(any(folder.glob(mark)) for mark in marks)),
        None,
    )


def import_root(source: Path) -> Path:
    """Where the import of ``source`` is, or goes: beside it (hard links need the same disk), else in the current folder."""
    place = source if source.name not in ("", "..") else Path(os.path.abspath(source))  # noqa: PTH100
    name = f"{place.stem if place.is_file() else place.name}-imported"
    beside = place.with_name(name)
    return beside if beside.exists() or os.access(place.parent, os.W_OK) else Path(name)


def import_wanted(folder: Path) -> str | None:
    """The command that makes a data root of a ``folder`` in another layout; None where it has no such layout."""
    kind = foreign_layout(folder)
    if kind is None:
        return None
    words = ("--from", kind, "--source", folder, "--root", import_root(folder))
    return command("python -m pipeline.import_data", *words)


def root_meant(place: Path) -> Path | None:
    """The data root that was probably meant by ``place``, which is none: one of nearly its name, above or right below it."""
    if is_data_root(place):
        return None
    near = nearest_path(place) or place
    try:
        below = sorted(islice((path for path in near.iterdir() if path.is_dir()), MOST_NAMES))
    except OSError:
        below = []
    return next(filter(is_data_root, (near, *near.absolute().parents[:2], *below)), None)


def data_at(folder: Path) -> str | None:
    """Why what is written to ``folder`` would be among a data root's files; None where it would not."""
    place = folder.resolve()
    if is_data_root(place):
        return "it is a data root: labels.txt and others of its files would be replaced"
    for above in place.parents:
        inside = place.relative_to(above).parts[0]
        if inside in OF_THE_DATA and is_data_root(above):
            return f"it is inside {inside}, which belongs to the data root {shown(above)}"
    return None


def require_no_data(folder: Path, example: str) -> None:
    """For a folder that was named with ``--output``. Raises UserError (three lines); ``example`` is a place that fits."""
    if why := data_at(folder):
        raise UserError(
            f"{shown(folder)} cannot hold results\n  why: {why}\n"
            f"  fix: name a folder of its own with --output, such as {example}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraysRecord:
    """``arrays.json``, written last."""

    schema: int
    split: str
    image_folder: str
    counts: dict[str, int]
    classes: list[str]
    original_category_ids: list[int]
    annotations: str = ""
    annotations_sha256: str = ""
    sha256: dict[str, str]

    def __post_init__(self) -> None:
        if self.schema not in (ARRAYS_SCHEMA, UPRIGHT_SCHEMA):
            raise ValueError(f"expected schema {ARRAYS_SCHEMA} or {UPRIGHT_SCHEMA}, found {self.schema}")
        if len(self.classes) != len(self.original_category_ids) or self.classes[:1] != [BACKGROUND]:
            raise ValueError(
                f"expected {BACKGROUND} first and an original id for each class, found {self.classes[:1]}, "
                f"{counted(len(self.classes), 'class')} and {counted(len(self.original_category_ids), 'id')}"
            )
        folder = Path(self.image_folder)
        if folder.is_absolute() or ".." in folder.parts:
            raise ValueError(f"the image folder {folder} is outside the data root")


def tidy(name: str) -> str:
    """A class's name without blanks around it, one between words, letters composed (NFC)."""
    return unicodedata.normalize("NFC", " ".join(name.split()))


@lru_cache(maxsize=4096)
def class_key(name: str) -> str:
    """Equal for names that are one class."""
    return tidy(name).casefold()


def labels_text(classes: list[str]) -> bytes:
    """``labels.txt``: a line a class, BACKGROUND first. Raises UserError for a name that is not one line."""
    wrong = [name for name in classes if name.splitlines() != [name.strip()]]
    if classes[:1] != [BACKGROUND] or wrong:
        raise UserError(
            f"{LABELS_NAME} takes {BACKGROUND} first, then names of one line\n"
            f"  why: found {(wrong or classes)[0][:60]!r}\n"
            "  fix: rename that class in the annotation files and run the stages again"
        )
    return "".join(f"{name}\n" for name in classes).encode()
