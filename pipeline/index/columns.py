"""One remapped annotation file as columns of numbers: what the SQLite index and the flat arrays are made from."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.annotations.reader import AnnotationError, AnnotationFile, Part
from pipeline.bar import bar
from pipeline.stop import NEVER, Stop

CATEGORY_KEYS = ("id", "original_id", "name", "supercategory")


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
            raise AnnotationError(f"{path}: no file of the remap stage: {error!r:.200}") from error
    problem = _inconsistency(columns)
    if problem:
        raise AnnotationError(f"{path}: no file of the remap stage: {problem}")
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
    if len(np.unique(columns.image_ids)) < len(columns.image_ids) or len(np.unique(columns.ids)) < len(
        columns.ids
    ):
        return "ids that come twice"
    return None


class _Reader:
    """Takes in the parts of one file in whatever order they come."""

    def __init__(self, split: str) -> None:
        self.split = split
        self.categories: list[dict[str, Any]] = []
        self.images: list[tuple[int, int, int, str]] = []
        self.whole, self.boxes, self.area = array("q"), array("d"), array("d")

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
        whole, boxes = _table(self.whole), _table(self.boxes)
        area = np.array(self.area, dtype=np.float64)
        return _ordered(self.split, self.categories, self.images, whole, boxes, area)

    def _annotations(self, part: Part, shown: Any) -> None:
        whole, boxes, area = self.whole, self.boxes, self.area
        for index, raw in enumerate(part):
            if index % 1024 == 0:
                shown.update(part.end - shown.n)
            whole.extend((raw["id"], raw["image_id"], raw["category_id"], raw["iscrowd"]))
            boxes.extend(raw["bbox"])
            area.append(raw["area"])


def _table(values: array) -> np.ndarray:
    """(B, 4) of the values' own type."""
    return np.array(values, dtype=np.int64 if values.typecode == "q" else np.float64).reshape(-1, 4)


def _ordered(
    split: str,
    categories: list[dict[str, Any]],
    images: list[tuple[int, int, int, str]],
    whole: np.ndarray,
    boxes: np.ndarray,
    area: np.ndarray,
) -> Columns:
    order = np.lexsort((whole[:, 0], whole[:, 1]))
    whole = whole[order]
    return Columns(
        split=split,
        image_ids=np.array([image[0] for image in images], dtype=np.int64),
        widths=np.array([image[1] for image in images], dtype=np.int64),
        heights=np.array([image[2] for image in images], dtype=np.int64),
        file_names=[image[3] for image in images],
        ids=np.ascontiguousarray(whole[:, 0]),
        annotation_image_ids=np.ascontiguousarray(whole[:, 1]),
        labels=np.ascontiguousarray(whole[:, 2]),
        boxes_xywh_px=boxes[order],
        area=area[order],
        is_crowd=whole[:, 3].astype(bool),
        categories=categories,
    )
