"""The flat arrays that the trainer maps into memory: ``arrays/{split}2017/``.

Opening them costs milliseconds at any size, and all worker processes share the pages. ``arrays.json`` describes
and is written last; the whole folder appears at once.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.index.columns import Columns
from vision.artefacts.data_layout import (
    ARRAYS_RECORD,
    ARRAYS_SCHEMA,
    BACKGROUND,
    UPRIGHT_SCHEMA,
    ArraysRecord,
    image_folder,
)
from vision.artefacts.files import publish_json, sha256_of, space_errors
from vision.artefacts.records import to_plain
from vision.images.formats import STORED


def arrays_of(columns: Columns, orientations: Sequence[int] = ()) -> dict[str, np.ndarray]:
    """The arrays by name; shapes and types are those of ``docs/house.md``.

    ``orientations``: EXIF's by image where it is applied, else 1; the array is there only when one is applied, so
    that data without such images are the same bytes, with the same digest, as ever.
    """
    first = np.searchsorted(columns.annotation_image_ids, columns.image_ids, side="left")
    names = [name.encode() for name in columns.file_names]
    upright = any(one != STORED for one in orientations)
    return {
        "image_ids": columns.image_ids,
        "heights": columns.heights.astype(np.int32),
        "widths": columns.widths.astype(np.int32),
        "file_names": np.array(names, dtype=f"S{max(map(len, names), default=1)}"),
        "first_box": np.append(first, len(columns.ids)).astype(np.int64),
        "boxes_xyxy_px": corners_px(columns),
        "labels": columns.labels,
        "is_crowd": columns.is_crowd,
        "area": columns.area.astype(np.float32),
        "annotation_ids": columns.ids,
        **({"orientations": np.array(orientations, np.uint8)} if upright else {}),
    }


def corners_px(columns: Columns) -> np.ndarray:
    """(B, 4) float32 corners, clamped to their image."""
    low, size = columns.boxes_xywh_px[:, :2], columns.boxes_xywh_px[:, 2:]
    corners = np.concatenate([low, low + size], axis=1).astype(np.float32)
    image = np.searchsorted(columns.image_ids, columns.annotation_image_ids)
    limit = np.stack([columns.widths, columns.heights] * 2, axis=1)[image]  # (B, 4)
    return np.clip(corners, 0, limit.astype(np.float32))


def _save(path: Path, values: np.ndarray) -> None:
    """Written by Python: where a disk is full, NumPy's own writing does not say that it is."""
    encoded = io.BytesIO()
    np.save(encoded, values, allow_pickle=False)
    with space_errors(path):
        path.write_bytes(encoded.getbuffer())


def write_arrays(
    columns: Columns, folder: Path, source: str, source_sha256: str, orientations: Sequence[int] = ()
) -> None:
    """Writes the arrays of one split and then ``arrays.json`` into the empty ``folder``."""
    digests, arrays = {}, arrays_of(columns, orientations)
    for name, values in arrays.items():
        path = folder / f"{name}.npy"
        _save(path, np.ascontiguousarray(values))
        digests[path.name] = sha256_of(path)
    record = ArraysRecord(
        schema=UPRIGHT_SCHEMA if "orientations" in arrays else ARRAYS_SCHEMA,
        split=columns.split,
        image_folder=image_folder(columns.split),
        counts={"images": len(columns.image_ids), "boxes": len(columns.ids)},
        classes=[BACKGROUND, *(category["name"] for category in columns.categories)],
        original_category_ids=[0, *(category["original_id"] for category in columns.categories)],
        annotations=source,
        annotations_sha256=source_sha256,
        sha256=digests,
    )
    publish_json(folder / ARRAYS_RECORD, to_plain(record))
