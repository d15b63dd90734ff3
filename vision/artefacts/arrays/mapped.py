"""Reads ``arrays/{split}2017/``, whose form ``docs/artefacts.md`` states; made by the index stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vision.artefacts.data_layout import ARRAYS_RECORD, UPRIGHT_SCHEMA, ArraysRecord
from vision.artefacts.records import from_plain, read_json

Arrays = dict[str, np.ndarray]

_DTYPES = {
    "image_ids": "int64", "heights": "int32", "widths": "int32", "first_box": "int64",
    "boxes_xyxy_px": "float32", "labels": "int64", "is_crowd": "bool", "area": "float32",
}  # fmt: skip
ANNOTATION_IDS = "annotation_ids"
_OPTIONAL = {"orientations": "uint8", ANNOTATION_IDS: "int64"}


def read_record(folder: Path) -> ArraysRecord:
    """``arrays.json``. Raises FileNotFoundError or NotADirectoryError where there is none, RecordError where it is damaged."""
    path = folder / ARRAYS_RECORD
    return from_plain(ArraysRecord, read_json(path), str(path))


def map_arrays(folder: Path, record: ArraysRecord, *more: str) -> Arrays:
    """The arrays by name, mapped and read-only; of those that not everybody needs only ``more``.

    Raises OSError or ValueError where they are missing, or do not fit each other.
    """
    turned = ("orientations",) if record.schema == UPRIGHT_SCHEMA else ()
    arrays = {name: _map(folder, name) for name in (*_DTYPES, "file_names", *turned, *more)}
    _check(arrays, record.counts, len(record.classes))
    return arrays


def _map(folder: Path, name: str) -> np.ndarray:
    array = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    expected = (_DTYPES | _OPTIONAL).get(name)
    if str(array.dtype) != expected if expected else array.dtype.kind != "S":
        raise ValueError(f"{name}.npy: expected {expected or 'bytes'}, found {array.dtype}")
    return np.asarray(array)  # a plain view of the same pages: np.memmap costs a Python call an access


def _check(arrays: Mapping[str, np.ndarray], counts: Mapping[str, int], classes: int) -> None:
    images, boxes = counts.get("images", -1), counts.get("boxes", -1)
    shapes = {name: (images,) for name in ("image_ids", "heights", "widths", "file_names")}
    shapes |= {name: (boxes,) for name in ("labels", "is_crowd", "area", ANNOTATION_IDS) if name in arrays}
    shapes["first_box"] = (images + 1,)
    for name, expected in {**shapes, "boxes_xyxy_px": (boxes, 4)}.items():
        if arrays[name].shape != expected:
            raise ValueError(f"{name}.npy: expected shape {expected}, found {arrays[name].shape}")
    turned = arrays.get("orientations")
    if turned is not None and (
        turned.shape != (images,) or (images and not 1 <= turned.min() <= turned.max() <= 8)
    ):
        raise ValueError(f"orientations.npy: expected {images} numbers from 1 to 8")
    first_box = arrays["first_box"]
    if images and (first_box[0] != 0 or first_box[-1] != boxes or (np.diff(first_box) < 0).any()):
        raise ValueError(f"first_box.npy: expected rising offsets from 0 to {boxes}")
    labels = arrays["labels"]
    if len(labels) and not (labels.min() >= 1 and labels.max() < classes):
        raise ValueError(
            f"labels.npy: expected labels from 1 to {classes - 1}, found {labels.min()} to {labels.max()}"
        )
