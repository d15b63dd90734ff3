"""The detections of a validation, kept beside the run so that a report needs no second look at the images.

Boxes and scores are whole numbers in the file (thousandths of a pixel, millionths), which is all that ``Results`` has: what is read
is to the bit what was scored.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vision.artefacts.files import publish_bytes
from vision.artefacts.records import from_plain, open_regular, parse_json
from vision.engine.evaluation.results import BOX_DIGITS, SCORE_DIGITS, Results

KEPT = Path("report") / "detections.npz"
"""Below the run folder."""
SCHEMA = 1
LARGEST_BYTES = 4 << 30
_COLUMNS = {
    "image_ids": (np.int64, ()),
    "category_ids": (np.int64, ()),
    "boxes": (np.int32, (4,)),
    "scores": (np.int32, ()),
}


@dataclass(frozen=True)
class KeptFacts:
    """What the detections are of.

    * checkpoint, sha256: its bare name and digest; epoch, step: its position
    * dataset_digest: of the data that were looked at; images: how many these are
    """

    checkpoint: str
    sha256: str
    epoch: int
    step: int
    dataset_digest: str
    images: int
    schema: int = SCHEMA


UNREADABLE = (
    OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, MemoryError,
)  # fmt: skip


def keep(run: Path, results: Results, facts: KeptFacts) -> Path:
    """Publishes ``results``; an older file is replaced. Raises OSError."""
    path = run / KEPT
    path.parent.mkdir(parents=True, exist_ok=True)
    said = json.dumps(asdict(facts)).encode()
    stream = io.BytesIO()
    np.savez(
        stream,
        facts=np.frombuffer(said, np.uint8),
        image_ids=results.image_ids,
        category_ids=results.category_ids,
        boxes=np.rint(results.boxes_xywh_px * 10**BOX_DIGITS).astype(np.int32),
        scores=np.rint(results.scores * 10**SCORE_DIGITS).astype(np.int32),
    )
    publish_bytes(path, stream.getvalue())
    return path


def read_kept(run: Path) -> tuple[Results, KeptFacts] | None:
    """What ``keep`` wrote; None where there is no such file, or it is none of ours."""
    path = run / KEPT
    try:
        with os.fdopen(open_regular(path), "rb") as stream, zipfile.ZipFile(stream) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST_BYTES:
                return None
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as found:
                facts = from_plain(KeptFacts, parse_json(found["facts"].tobytes(), str(path)), str(path))
                columns = {name: found[name] for name in _COLUMNS}
    except UNREADABLE:
        return None
    rows = len(columns["scores"]) if columns["scores"].ndim else -1
    for name, (kind, shape) in _COLUMNS.items():
        if columns[name].dtype != kind or columns[name].shape != (rows, *shape):
            return None
    if facts.schema != SCHEMA:
        return None
    boxes = columns["boxes"] / 10**BOX_DIGITS
    scores = columns["scores"] / 10**SCORE_DIGITS
    return Results(columns["image_ids"], columns["category_ids"], boxes, scores), facts
