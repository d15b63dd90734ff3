"""The root that an import makes: annotations in COCO's format, images, report; all in a staging folder first, then by name."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.data_root import claims
from pipeline.import_data.classes import Classes
from pipeline.import_data.judge import Kept
from pipeline.import_data.report import REPORT
from pipeline.import_data.request import NAME, SPLITS, Request
from pipeline.import_data.split import Halves
from pipeline.stop import StageError, Stop
from vision.artefacts.data_layout import STAGING, image_folder, original_path
from vision.artefacts.files import fsync_folder, fsync_tree, publish_json, space_errors
from vision.artefacts.records import RecordError, read_json
from vision.messages.advice import shown

PLAN = "plan.json"
OUTPUTS = (*map(image_folder, SPLITS), *map(original_path, SPLITS), REPORT)


def documents(halves: Halves, classes: Classes, source: str) -> dict[str, bytes]:
    """The annotation file of each split; ids count from 1 over both, categories are the same in both."""
    categories = [
        {"id": label, "name": name, "supercategory": ""} for label, name in enumerate(classes.names, 1)
    ]
    image_id = annotation_id = 0
    texts = {}
    for split in SPLITS:
        images, annotations = [], []
        for image in halves[split]:
            image_id += 1
            height, width = image.hw
            images.append({"id": image_id, "file_name": image.name, "width": width, "height": height})
            for row in _rows(image, image_id, classes):
                annotation_id += 1
                annotations.append({"id": annotation_id, **row})
        texts[split] = _lines({"description": f"imported from {source}"}, images, annotations, categories)
    return texts


def _rows(image: Kept, image_id: int, classes: Classes) -> Iterator[dict[str, Any]]:
    for box in image.boxes:
        x0, y0, x1, y1 = box.xyxy
        yield {
            "image_id": image_id, "category_id": classes.label(box.name), "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": box.area or (x1 - x0) * (y1 - y0), "iscrowd": int(box.crowd),
        }  # fmt: skip


def _lines(info: dict[str, str], *lists: list[dict[str, Any]]) -> bytes:
    """An object a line: people look into it."""
    parts = [f'{{"info": {json.dumps(info, ensure_ascii=False)}']
    for key, rows in zip(("images", "annotations", "categories"), lists, strict=True):
        inner = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
        parts.append(f'"{key}": [\n{inner}\n]' if rows else f'"{key}": []')
    return (",\n".join(parts) + "}\n").encode("utf-8", "surrogatepass")


def digest_of(halves: Halves, texts: dict[str, bytes]) -> str:
    """Of all that the root will hold: the annotations, and name, size and time of each image."""
    digest = hashlib.sha256()
    for split in SPLITS:
        digest.update(texts[split])
        for image in halves[split]:
            found = image.path.stat()
            digest.update(
                f"{image.name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode("utf-8", "surrogatepass")
            )
    return digest.hexdigest()


def staging_of(root: Path) -> Path:
    return root / STAGING / NAME


def prepare(request: Request, digest: str) -> Path:
    """The staging folder for what has ``digest``: as a run that was stopped has left it, or empty.

    What such a run has published already is taken back into it. Raises StageError where that is of another plan.
    """
    root = request.root
    staging = staging_of(root)
    try:
        same = read_json(staging / PLAN) == {"digest": digest}
    except (OSError, RecordError):
        same = False
    published = [path for path in OUTPUTS if os.path.lexists(root / path)]
    if published and not same:
        raise StageError(
            f"an import into {shown(root)} was stopped while it published its files",
            "it had another source or other options",
            f"run that one again, or import into another folder: {request.beside()}",
        )
    if not same and staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(parents=True, exist_ok=True)
    publish_json(staging / PLAN, {"digest": digest})
    for path in published:
        (staging / path).parent.mkdir(parents=True, exist_ok=True)
        os.replace(root / path, staging / path)
    return staging


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with space_errors(path):
        path.write_bytes(data)


def publish(root: Path, stop: Stop) -> None:
    """Claims the outputs, brings them to the disk and gives them their names, one after the other."""
    staging = staging_of(root)
    with space_errors(root):
        fsync_tree(staging, stop.check)
    claims.note(root, NAME, OUTPUTS)
    for path in OUTPUTS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / path, root / path)
        fsync_folder((root / path).parent)


def require_free(request: Request) -> None:
    """Raises StageError for a root that holds something beside a stopped import: nothing of an owner's is replaced."""
    root = request.root
    if not root.exists():
        return
    try:
        claim = claims.read(root, NAME)
    except RecordError:
        claim = None
    ours = {path.split("/")[0] for path in (claim.outputs if claim else ())} | {".pipeline"}
    others = sorted(entry.name for entry in root.iterdir() if entry.name not in ours)
    state = root / ".pipeline"
    known = {"staging", "claims", "lock"} | ({"choices.json"} if claim else set())
    others += sorted(
        f".pipeline/{entry.name}"
        for entry in (state.iterdir() if state.is_dir() else ())
        if entry.name not in known
    )
    others += sorted(
        f".pipeline/staging/{entry.name}" for entry in staging_of(root).parent.glob("*") if entry.name != NAME
    )
    if others:
        raise StageError(
            f"{shown(root)} cannot hold an import",
            f"it holds {shown(others[0])}"
            + (f" and {len(others) - 1} more" if len(others) > 1 else "")
            + ", which no import made; nothing was changed",
            f"import into a new folder: {request.beside()}",
        )
