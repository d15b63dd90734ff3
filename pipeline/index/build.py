"""Makes ``index.sqlite`` and ``arrays/{split}2017/`` from the remapped files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.image_check.verdicts import Verdict
from pipeline.index.arrays import write_arrays
from pipeline.index.columns import Columns, read_columns
from pipeline.index.schema import COCO
from pipeline.index.tables import write_tables
from pipeline.stop import NEVER, Stop
from vision.artefacts.data_layout import IMAGE_REPORT, INDEX, arrays_path, remapped_path
from vision.artefacts.files import sha256_of
from vision.images.formats import STORED


def build_index(
    root: Path,
    splits: Sequence[str],
    verdicts: dict[str, dict[int, Verdict]] | None,
    staging: Path,
    stop: Stop = NEVER,
    dataset: str = COCO,
    known: Mapping[str, str] | None = None,
) -> dict[str, tuple[int, int]]:
    """Makes the database and the arrays of ``splits`` below ``staging`` from the remapped files of ``root``.

    ``dataset`` is the name of the data, ``known`` are SHA-256 of files that need not be read for it. Without ``verdicts`` images count as unchecked. Gives the numbers of images
    and of boxes of each split. Raises AnnotationError for a remapped file that was damaged; Interrupted.
    """
    columns = [read_columns(root / remapped_path(split), split, stop) for split in splits]
    sources = [*map(remapped_path, splits), *([] if verdicts is None else [IMAGE_REPORT])]
    digests = {path: (known or {}).get(path) or sha256_of(root / path, stop.check) for path in sources}
    for of in columns:
        stop.check()
        folder = staging / arrays_path(of.split)
        folder.mkdir(parents=True)
        turned = _orientations(of, (verdicts or {}).get(of.split, {}))
        write_arrays(of, folder, remapped_path(of.split), digests[remapped_path(of.split)], turned)
    tables = [(of, (verdicts or {}).get(of.split)) for of in columns]
    write_tables(staging / INDEX, tables, _provenance(digests, dataset), stop)
    return {of.split: (len(of.image_ids), len(of.ids)) for of in columns}


def _orientations(columns: Columns, verdicts: dict[int, Verdict]) -> list[int]:
    """EXIF's by image: 2..8 where it is applied, else 1."""
    known = (verdicts.get(id_) for id_ in columns.image_ids.tolist())
    return [verdict.orientation if verdict else STORED for verdict in known]


def _provenance(digests: dict[str, str], dataset: str) -> dict[str, str]:
    return {f"sha256 of {path}": digest for path, digest in digests.items()} | {
        "dataset": dataset,
        "boxes": "x, y, w, h in px of the image as stored, or as images.orientation turns it; origin at the top left",
    }
