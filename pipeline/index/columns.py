"""One remapped annotation file as columns of numbers: what the SQLite index and the flat arrays are made from."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.annotations.json_structure import any_twice
from pipeline.annotations.reader import AnnotationError, AnnotationFile, Part
from pipeline.bar import bar
from pipeline.stop import NEVER, Stop

CATEGORY_KEYS = ("id", "original_id", "name", "supercategory")
_ROW = itemgetter("id", "image_id", "category_id", "iscrowd", "bbox", "area")
BLOCK = 256
"""Annotations that are taken in at a time: more do not stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Columns:
    """I images by rising id and B annotations by rising image id, then id.

    * image_ids, widths, heights: (I,) int64; file_names: I texts
    * ids, annotation_image_ids, labels: (B,) int64
    * boxes_xywh_px: (B, 4) float64; area: (B,) float64, px²; is_crowd: (B,) bool
    * categories: the file's list, label i at position i − 1
    """

    split: str
    image_ids: np.ndarray
    widths: np.ndarray
    heights: np.ndarray
    file_names: list[str]
    ids: np.ndarray
    annotation_image_ids: np.ndarray
    labels: np.ndarray
    boxes_xywh_px: np.ndarray
    area: np.ndarray
    is_crowd: np.ndarray
    categories: list[dict[str, Any]]


def read_columns(path: Path, split: str, stop: Stop = NEVER) -> Columns:
    """Reads a file that the remap stage wrote. Raises AnnotationError where it is not what that stage writes."""
    with AnnotationFile(path, stop) as file:
        try:
            columns = _Reader(split).read(file)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, AnnotationError):
                raise
            raise AnnotationError(f"{path}: not a file of the remap stage: {error!r:.200}") from error
    problem = _inconsistency(columns)
    if problem:
        raise AnnotationError(f"{path}: not a file of the remap stage: {problem}")
    return columns


def _inconsistency(columns: Columns) -> str | None:
    """What the remap stage would never have let pass."""
    classes = len(columns.categories)
    if [category["id"] for category in columns.categories] != list(range(1, classes + 1)):
        return f"the ids of its categories are not 1..{classes}"
    if len(columns.labels) and not 1 <= columns.labels.min() <= columns.labels.max() <= classes:
        return f"labels that are not in 1..{classes}"
    if not np.isin(columns.annotation_image_ids, columns.image_ids).all():
        return "annotations of images that are not in it"
    if any_twice(columns.image_ids.copy()) or any_twice(columns.ids.copy()):
        return "ids that come twice"
    return None


class _Reader:
    """Takes in the parts of one file in whatever order they come."""

    def __init__(self, split: str) -> None:
        self.split = split
        self.categories: list[dict[str, Any]] = []
        self.images: list[tuple[int, int, int, str]] = []
        self.annotations = [array(kind) for kind in "qqqqddddd"]

    def read(self, file: AnnotationFile) -> Columns:
        with bar(f"index {self.split}", file.size, leave=False) as shown:
            for part in file.walk():
                if part.key == "categories":
                    self.categories = [{key: raw[key] for key in CATEGORY_KEYS} for raw in part]
                elif part.key == "images":
                    self.images = sorted(
                        (raw["id"], raw["width"], raw["height"], raw["file_name"]) for raw in part
                    )
                elif part.key == "annotations":
                    self._annotations(part, shown)
        return self._columns()

    def _annotations(self, part: Part, shown: Any) -> None:
        elements = iter(part)
        while rows := list(map(_ROW, islice(elements, BLOCK))):
            shown.update(part.end - shown.n)
            *whole, boxes, areas = zip(*rows, strict=True)
            found = (*whole, *zip(*boxes, strict=True), areas)
            for column, values in zip(self.annotations, found, strict=True):
                column.extend(values)

    def _columns(self) -> Columns:
        ids, image_ids, labels, crowds, *box, area = map(np.asarray, self.annotations)
        order = np.lexsort((ids, image_ids))
        return Columns(
            split=self.split,
            image_ids=np.array([image[0] for image in self.images], dtype=np.int64),
            widths=np.array([image[1] for image in self.images], dtype=np.int64),
            heights=np.array([image[2] for image in self.images], dtype=np.int64),
            file_names=[image[3] for image in self.images],
            ids=ids[order],
            annotation_image_ids=image_ids[order],
            labels=labels[order],
            boxes_xywh_px=np.stack(box, axis=1)[order],
            area=area[order],
            is_crowd=crowds[order].astype(bool),
            categories=self.categories,
        )
